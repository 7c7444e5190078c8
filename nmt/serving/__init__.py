"""Serve models over HTTP (`nmt serve`)."""
