"""The warehouse: scores for people to query, their outcomes, and the model registry."""
