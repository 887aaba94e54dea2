"""What surrounds the product: running it on one machine, the demo shops, the warehouse's migrations."""
