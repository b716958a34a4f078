"""From an SQS message to an execution: read the event, decide by the rules, start, or dead-letter the message."""
