"""How good are probabilities? Metrics, intervals, tests."""
