"""From a model and a source to hypotheses."""
