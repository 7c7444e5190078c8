"""From a batch to log-probabilities."""
