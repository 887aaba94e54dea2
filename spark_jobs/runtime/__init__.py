"""What every job starts with: the command line, the Spark session, the console."""
