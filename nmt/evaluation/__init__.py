"""Metrics, significance tests, and the evaluation of test sets."""
