"""The warehouse: scores that people query, what became of them, and which model scores."""
