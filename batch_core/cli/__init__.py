"""The command line: it makes, tidies and removes what the app uses. Not deployed."""
