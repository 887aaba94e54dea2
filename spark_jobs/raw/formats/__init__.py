"""The formats of raw files: every file of this package defines one as `FORMAT`; its name is the format's."""
