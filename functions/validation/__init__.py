"""How RunValidationQuery validates a file: its content, its table, and the queries on it."""
