"""From hypotheses to scores."""
