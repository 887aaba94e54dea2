"""A simulated shop without an end: see land.py."""
