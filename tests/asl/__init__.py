"""The committed state machine in two engines that nobody here wrote."""
