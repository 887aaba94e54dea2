"""Checks for drift and broken deliveries, and the evaluation of published scores."""
