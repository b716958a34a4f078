"""How an object is copied, whatever its size: what travels with it, the parts of a large one, and in what order."""
