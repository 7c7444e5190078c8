"""Download or generate corpora: Multi30k and the copying task."""
