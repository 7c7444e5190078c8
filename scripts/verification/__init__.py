"""Verify that a change keeps all results, and that the tests pass with the oldest supported torch."""
