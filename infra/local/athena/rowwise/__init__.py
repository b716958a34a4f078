"""Functions of Trino that DuckDB lacks or computes otherwise; DuckDB calls them for each row."""
