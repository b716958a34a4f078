"""Parse Athena's SQL by Trino's grammar: what it does not contain is rejected."""
