"""Executions of the state machine: their history, failures and replays."""
