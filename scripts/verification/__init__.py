"""Verify results of two versions, the oldest supported torch, the responses of the server, and split paragraphs."""
