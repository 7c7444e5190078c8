"""Benchmarks: speed and memory of nmt, also beside OpenNMT-py, JoeyNMT and CTranslate2."""
