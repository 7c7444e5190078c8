"""Faster code: fused cells, deferred weight gradients, memory settings (same results), and int8 products."""
