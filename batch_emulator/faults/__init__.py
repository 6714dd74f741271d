"""What goes wrong on purpose: fault rules, and where they take hold of a request."""
