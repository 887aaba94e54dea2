"""Raw files as numbered records, whatever their format."""
