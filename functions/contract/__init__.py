"""What functions, state machine and operators share: the documents, the rules, the limits."""
