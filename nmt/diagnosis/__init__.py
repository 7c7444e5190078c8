"""What is wrong with data or a run, the most likely cause first."""
