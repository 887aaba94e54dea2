"""A shop that never was: three logs whose customers' true hazards are known. See simulate.py."""
