"""The contenders, what they are blended of and how they are calibrated."""
