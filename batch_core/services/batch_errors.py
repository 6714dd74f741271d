"""What Batch's error codes mean to the app. A code that is not named here decides nothing."""

from batch_core.errors import Conflict, Refused, ServiceError
from batch_core.sdk.service_codes import ABSENT_FILE, FILE_OUT_OF_REACH, NEVER_ACCEPTED, TAKES_NO_TASKS


def is_gone(error: ServiceError) -> bool:
    """Return whether a task's file does not exist and never will again."""
    return error.code in ABSENT_FILE


def lacks_file(error: ServiceError) -> bool:
    """Return whether a task has a directory, without this file in it."""
    return error.code == "FileNotFound"


def is_out_of_reach(error: ServiceError) -> bool:
    """Return whether a task's files cannot be read now: it never ran, or its node is unavailable."""
    return error.code in FILE_OUT_OF_REACH


def takes_no_tasks(error: ServiceError) -> bool:
    """Return whether the job takes no more tasks, ever."""
    return error.code in TAKES_NO_TASKS


def is_never_accepted(error: ServiceError) -> bool:
    """Return whether this very task can never be added, in the service's own words."""
    return isinstance(error, Refused | Conflict) and error.code in NEVER_ACCEPTED
