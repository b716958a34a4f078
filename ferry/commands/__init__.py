"""The commands of `ferry`, one module each."""
