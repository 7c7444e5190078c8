"""A toolkit for recurrent neural machine translation: from two aligned text files to a trained model."""

__version__ = "0.1.0"
