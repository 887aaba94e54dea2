"""shop.toml: its model and its reader."""
