"""What can go wrong beside what is looked for: then nothing was proven."""

from local.errors import StackError


class ChaosError(StackError):
    """The run could not be carried out; the message says why."""
