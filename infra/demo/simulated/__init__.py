"""A simulated shop: three logs of customers whose true hazards are known. See simulate.py."""
