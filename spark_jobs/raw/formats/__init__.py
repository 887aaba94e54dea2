"""The formats of raw files: every file of this package has one as `FORMAT`, under the file's name."""
