"""The state machine, run by moto with the real handlers against an embedded cloud."""
