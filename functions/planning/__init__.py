"""Plans a bulk run: compares the listings of source and target, and writes what is left to do."""
