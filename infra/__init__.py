"""The infrastructure, for both targets."""
