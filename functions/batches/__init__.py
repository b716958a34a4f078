"""Works on one slice of a bulk run: copies its objects, verifies them, and records what became of each."""
