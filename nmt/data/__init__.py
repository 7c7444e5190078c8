"""From text to token ids to batches.

Once (`prepare`): `corpus` and `lines`, `cleaning`, `deduplicate`; subwords are learnt (`subword`); `encoding`, `store`.
In training: `batching`, `prefetch`.
"""
