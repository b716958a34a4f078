"""The ledger: what plans and runs settled about each object of a source, and what is not tried again."""
