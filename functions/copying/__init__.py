"""How an object is copied: in what order, at once or in parts, and what travels with its bytes."""
