"""From a bundle to scores with reasons."""
