"""How VerifyChecksum verifies a copy: by stored checksums, or by reading; what follows from a mismatch."""
