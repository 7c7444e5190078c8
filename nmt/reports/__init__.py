"""Learning curves, attention maps, the report page, and tables of scores."""
