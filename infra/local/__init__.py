"""Runs the product on one machine: the commands behind the Makefile."""
