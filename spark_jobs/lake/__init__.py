"""The lake: Parquet files under Delta logs. No other package knows the paths of data."""
