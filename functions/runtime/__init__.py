"""What every function runs in: its settings, clients, errors, and the handler of a step."""
