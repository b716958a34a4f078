"""What is built from this checkout: the functions' zips, the layer, the virtual environments."""
