"""How a job starts: its command line, its Spark session, what it prints."""
