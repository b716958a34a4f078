"""What RunValidationQuery validates: the file itself, its table, and the queries on it."""
