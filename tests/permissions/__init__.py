"""Which action of which function is needed, shown by taking each away."""
