"""Audits the target: compares every object with its source, and finds what no source has. It writes to neither."""
