"""What a shop says of itself in shop.toml."""
