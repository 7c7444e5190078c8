"""From sentence pairs to a configuration that fits them: formats, facts, splits, settings."""
