"""Experiments that train several models: seeds and settings, data diversification, low-resource translation."""
