"""Builds of this checkout: the function zips, the layer, the virtual environments."""
