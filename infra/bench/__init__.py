"""Measurements: what the product costs and how it compares with what one would pick instead."""
