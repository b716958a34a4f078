"""Resolve names and types of a parsed query as Trino does, and write it as DuckDB's SQL."""
