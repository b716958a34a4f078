"""Patches of MiniStack's IAM: evaluate policies as AWS does."""
