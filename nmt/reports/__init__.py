"""From logs to pictures."""
