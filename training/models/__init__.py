"""The contenders, their blends, and their calibration."""
