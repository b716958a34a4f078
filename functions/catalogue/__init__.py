"""Tabular files and the Glue catalogue: formats, columns, tables, crawls."""
