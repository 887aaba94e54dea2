"""The lake of Parquet under a Delta log: the only place that knows where data lies."""
