"""The picture of a state machine: where each state and transition is drawn, from the definition alone."""
