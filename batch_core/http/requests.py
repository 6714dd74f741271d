"""What HTTP requests ask for, read from their JSON bodies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from batch_core.errors import InvalidRequest
from batch_core.http.bodies import document_of, kind_of, unknown_words
from batch_core.naming import MAX_BLOB_NAME_LENGTH, is_blob_name, name_length
from batch_core.problems import Problems

# Azure's host passes no body on that comes without its length: https://github.com/Azure/azure-functions-host/issues/7930
_NO_BODY: Final = (
    'the body is empty: send {"blob": "NAME"}, with a Content-Length, since a chunked body does not arrive on Azure'
)


@dataclass(frozen=True, kw_only=True)
class SubmitRequest:
    """What `POST /api/tasks` asks for."""

    blob: str
    force: bool
    route: str | None = None

    @classmethod
    def parse(cls, body: bytes) -> "SubmitRequest":
        """Read the JSON body; raises `InvalidRequest` with every problem at once."""
        if not body:
            raise InvalidRequest([_NO_BODY])
        document = document_of(body, '{"blob": "NAME"}')
        problems = Problems()
        problems.note_all(_blob_problems(document))
        problems.note_all(_other_problems(document))
        problems.raise_as(InvalidRequest)
        route = document.get("route")
        return cls(
            blob=str(document["blob"]), force=document.get("force") is True, route=None if route is None else str(route)
        )


def _blob_problems(document: Mapping[str, object]) -> list[str]:
    if "blob" not in document:
        return ["'blob' is missing: it names a blob of the input container"]
    blob = document["blob"]
    if not isinstance(blob, str):
        return [f"'blob' is {kind_of(blob)}: it must be a string"]
    if not 1 <= name_length(blob) <= MAX_BLOB_NAME_LENGTH:
        return [f"'blob' has {name_length(blob)} characters: a blob's name has 1 to {MAX_BLOB_NAME_LENGTH}"]
    if not is_blob_name(blob):
        return [f"'blob' is {blob!r}: no name of a blob holds U+0000 or half of a surrogate pair"]
    return []


def _other_problems(document: Mapping[str, object]) -> list[str]:
    problems = unknown_words(document, ("blob", "force", "route"))
    if not isinstance(document.get("force", False), bool):
        problems.append(f"'force' is {kind_of(document['force'])}: it must be true or false")
    if not isinstance(document.get("route"), str | None):
        problems.append(f"'route' is {kind_of(document['route'])}: it must be the name of a route")
    return problems
