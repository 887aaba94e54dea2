"""The layout of the warehouse in PostgreSQL: migrations, and what follows from the contract and the shop's file."""
