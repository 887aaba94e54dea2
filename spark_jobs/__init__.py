"""The jobs of the pipeline, one file each, and below them the packages that they share."""
