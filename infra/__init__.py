"""Everything around the product: local commands, demo shops, benchmarks, configuration, warehouse migrations."""
