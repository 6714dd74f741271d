"""The HTTP side of every operation: parse the call, ask the service, answer."""
