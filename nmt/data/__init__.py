"""From text to batches of token ids.

Preprocessing (`preprocess`): `corpus`, `lines`, `cleaning`, `deduplicate`, `subword`, `encoding`, `store`. Training:
`prepared_data`, `batching`, `prefetch`.
"""
