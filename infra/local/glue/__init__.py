"""The local Glue crawler, in front of MiniStack's Glue catalogue."""
