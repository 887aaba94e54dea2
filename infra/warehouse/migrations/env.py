"""Runs the migrations of one schema inside the caller's transaction; spark_jobs/warehouse/schema/prepare.py calls it.

A migration's SQL names no schema: the caller has set search_path to the one that is being migrated.
A new column needs no migration: `prepare` adds what the contract has. For any other change of a table
add the next file to identity/ (the schema that all shops share) or shop/ (one schema per shop).
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=context.config.attributes["schema"],
)
with context.begin_transaction():
    context.run_migrations()
