"""The images, and how to try them without a container engine."""
