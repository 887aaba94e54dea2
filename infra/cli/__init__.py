"""The command `churn`: its arguments are checked before any work, and every verb ends with what changed."""
