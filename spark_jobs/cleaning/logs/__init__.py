"""What each log types and judges of its own: a file for every log of `contract/logs/`, of the same name."""
