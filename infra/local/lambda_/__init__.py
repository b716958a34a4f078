"""Patches of MiniStack's Lambda: how many functions run at once, and the name of a throttle."""
