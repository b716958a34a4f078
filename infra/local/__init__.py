"""The embedded cloud: AWS on one machine, for trying, testing and developing."""
