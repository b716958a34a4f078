"""Patches of MiniStack's Lambda: how many functions run at once and how long they idle, and the name of a throttle."""
