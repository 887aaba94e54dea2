"""The PostgreSQL schemas of the warehouse: migrations, and what is derived from the contract and the shop's file."""
