"""Athena's functions, by subject: those that are listed here are answered as Trino does, all others are rejected."""
