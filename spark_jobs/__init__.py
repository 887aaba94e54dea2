"""The Spark side of the pipeline: one file per table, and the few modules they share."""
