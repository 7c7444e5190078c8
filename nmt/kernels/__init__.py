"""Faster code with the same result: fused cells, deferred weight gradients, int8 products, memory settings."""
