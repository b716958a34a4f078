"""migration.yaml: its keys, its loader, and the collisions of its rules."""
