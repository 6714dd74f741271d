"""What is deployed: files become Batch tasks, their output comes back, a table keeps the state."""
