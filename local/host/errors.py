"""What can go wrong in the embedded host.

HostError
├── AppLoadError           function_app.py cannot be imported or indexed
├── BindingError           a binding the host does not know, or a setting it lacks
└── InvocationFailedError  a function raised
"""

from local.errors import StackError


class HostError(StackError):
    """The host cannot do what was asked of it."""


class AppLoadError(HostError):
    """The app cannot be imported or indexed; the message holds the traceback."""


class BindingError(HostError):
    """A binding names something the host does not know or a setting that is not set."""


class InvocationFailedError(HostError):
    """A function raised; `stack_trace` is its traceback as text."""

    def __init__(self, message: str, stack_trace: str) -> None:
        super().__init__(message)
        self.stack_trace = stack_trace
