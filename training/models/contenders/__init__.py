"""The contenders: every file of this package declares one. registry.py gathers them.

Colours: P. Tol, "Colour schemes" (2021), vibrant.
"""
