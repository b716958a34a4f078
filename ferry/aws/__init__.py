"""AWS as the commands need it: clients, sources, notifications."""
