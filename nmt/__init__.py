"""Recurrent neural machine translation: two text files in, a translator out."""

__version__ = "0.1.0"
