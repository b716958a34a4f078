"""Step Functions' run loop: MiniStack's states, run so that an execution can be stopped, timed out and redriven."""
