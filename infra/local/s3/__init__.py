"""Patches of MiniStack's S3: answer as Amazon S3 does."""
