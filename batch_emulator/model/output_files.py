"""The `outputFiles` of tasks: which files go where, and when (SDK documentation of OutputFile)."""

import re
from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.resource_files import identity_reference, storage_url
from batch_emulator.model.schema import Reader, filled_text, list_of, one_of, record, short_text, text
from batch_emulator.values.states import UploadCondition

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")


def _header_name(name: str, value: object) -> str:
    if not _NAME.fullmatch(header := text(name, value)):
        raise invalid_property(name, value, "The name of an HTTP header is expected")
    return header


def _header_value(name: str, value: object) -> str:
    if not (header := text(name, value)).isprintable():
        raise invalid_property(name, value, "The value of an HTTP header is expected")
    return header


_container = record(
    {
        "path": short_text(1024),
        "containerUrl": storage_url,
        "identityReference": identity_reference,
        "uploadHeaders": list_of(record({"name": _header_name, "value": _header_value}, frozenset({"name"}))),
    },
    frozenset({"containerUrl"}),
)

#: Reads a list of output files.
output_files: Reader = list_of(
    record(
        {
            "filePattern": filled_text,
            "destination": record({"container": _container}, frozenset({"container"})),
            "uploadOptions": record({"uploadCondition": one_of(*UploadCondition)}, frozenset({"uploadCondition"})),
        },
        frozenset({"filePattern", "destination", "uploadOptions"}),
    )
)
