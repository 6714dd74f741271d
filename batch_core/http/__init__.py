"""What HTTP requests ask for, and what they are answered."""
