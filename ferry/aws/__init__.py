"""A deployment and its AWS services: clients, sources, notifications, dead letters."""
