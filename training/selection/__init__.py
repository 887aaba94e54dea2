"""Which contender scores, and whether it may."""
