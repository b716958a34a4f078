"""Helpers and fakes that several folders of tests use."""
