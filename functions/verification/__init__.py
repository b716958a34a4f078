"""Whether two objects hold the same bytes: by stored checksums, or by reading them."""
