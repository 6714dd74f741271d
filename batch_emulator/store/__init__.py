"""State in SQLite. Nothing in here knows HTTP."""
