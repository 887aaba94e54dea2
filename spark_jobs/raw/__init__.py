"""Readers of raw files: numbered records in all formats."""
