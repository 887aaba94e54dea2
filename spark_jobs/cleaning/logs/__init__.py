"""The judges of logs with more than plain columns, each in a file with the log's name."""
