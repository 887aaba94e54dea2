"""The evaluation of probabilities: metrics, intervals, calibration tests."""
