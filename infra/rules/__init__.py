"""migration.yaml: the keys it knows, its reader, and the collisions of its rules."""
