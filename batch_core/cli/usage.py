"""What is wrong with a command as it was written."""


class UsageError(Exception):
    """The arguments do not fit the command: a sentence says which, and what would."""
