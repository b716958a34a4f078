"""S3 objects: what HEAD returns, what a copy carries over, checksums, parts, locks."""
