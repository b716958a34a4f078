"""The embedded cloud's Lambda: how many functions run at once, and what a throttle is called."""
