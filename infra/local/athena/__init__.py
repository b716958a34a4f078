"""The local Athena: SQL over the tables and registered partitions of the Glue catalogue."""
