"""What functions, state machine and operators share: the document, the rules, the limits."""
