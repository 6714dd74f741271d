"""What can go wrong when the local stack is started or used.

StackError
├── NotInstalledError     a program the stack needs is missing
├── PortsTakenError       something else listens where the stack would
├── SettingsFileError     local.settings.json or host.json cannot be used
├── FolderError           the folder of the state cannot be used, or another stack uses it
├── NotReadyError         a process runs and did not become ready in time
├── ProcessEndedError     a process of the stack ended by itself
└── DemoFailedError       the demo did not see what it should have seen
"""


class StackError(Exception):
    """Says what is wrong, with which value and what to do; shown without a traceback."""


class NotInstalledError(StackError):
    """A program the stack needs is missing."""


class PortsTakenError(StackError):
    """Something else listens where the stack would."""


class SettingsFileError(StackError):
    """A settings file cannot be used."""


class FolderError(StackError):
    """The folder of the state cannot be written, or another stack uses it."""


class NotReadyError(StackError):
    """A process runs and did not become ready in time."""


class ProcessEndedError(StackError):
    """A process of the stack ended by itself."""


class DemoFailedError(StackError):
    """The demo did not see what it should have seen."""
