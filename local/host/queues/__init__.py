"""Storage queues: messages received, handled and settled."""
