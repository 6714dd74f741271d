"""The `exitConditions` and `dependsOn` of a task: what its end means to others, and theirs to it."""

from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.schema import Reader, integer, list_of, one_of, record, resource_id
from batch_emulator.values.documents import Document
from batch_emulator.values.states import DependencyAction, JobAction

_LOWEST: Final = -(2**31)

_options: Final = record({"jobAction": one_of(*JobAction), "dependencyAction": one_of(*DependencyAction)})
_code: Final = record({"code": integer(_LOWEST), "exitOptions": _options}, frozenset({"code", "exitOptions"}))


def _ordered(read: Reader) -> Reader:
    """Read an object with `start` and `end`, in this order."""

    def read_ordered(name: str, value: object) -> Document:
        span: Document = read(name, value)
        if span["start"] > span["end"]:
            raise invalid_property(f"{name}.start", span["start"], "The start of a range is not above its end")
        return span

    return read_ordered


_codes: Final = _ordered(
    record(
        {"start": integer(_LOWEST), "end": integer(_LOWEST), "exitOptions": _options},
        frozenset({"start", "end", "exitOptions"}),
    )
)
_ids: Final = _ordered(record({"start": integer(0), "end": integer(0)}, frozenset({"start", "end"})))

#: Reads how the job and dependent tasks respond to a task's end (SDK model ExitConditions).
exit_conditions: Final = record(
    {
        "exitCodes": list_of(_code),
        "exitCodeRanges": list_of(_codes),
        "preProcessingError": _options,
        "fileUploadError": _options,
        "default": _options,
    }
)

#: Reads which tasks must end first (SDK model BatchTaskDependencies).
depends_on: Final = record({"taskIds": list_of(resource_id), "taskIdRanges": list_of(_ids)})
