"""The versions of the REST API: which are served, and what differs in the older ones.

Every version from 2020-09-01.12.0 on has the shapes of the newest one, or fewer properties. The three differences
before it, and the names of the versions: models and operations of azure-batch 6.0.1 to 11.0.0 on PyPI.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from batch_emulator.errors import BatchError, ErrorCode, invalid_parameter
from batch_emulator.values.documents import Document

#: The versions that clients send, from azure-batch 6 of 2019 (Python) to the newest of all languages and `az`.
SERVED: Final = (
    "2018-12-01.8.0",
    "2019-06-01.9.0",
    "2019-08-01.10.0",
    "2020-03-01.11.0",
    "2020-09-01.12.0",
    "2021-06-01.14.0",
    "2022-01-01.15.0",
    "2022-10-01.16.0",
    "2023-05-01.17.0",
    "2023-11-01.18.0",
    "2024-02-01.19.0",
    "2024-07-01.20.0",
    "2025-06-01",
)

#: The first version that lists supported images; before it, node agents were listed with their images.
_IMAGES: Final = "2019-06-01"
#: The first version with task slots; before it, a node ran so many tasks at once.
_SLOTS: Final = "2020-09-01"
_NAME, _FORMER_NAME = "taskSlotsPerNode", "maxTasksPerNode"


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiVersion:
    """The version that a request asks for."""

    name: str

    @staticmethod
    def of(query: Mapping[str, str], *, any_version: bool) -> "ApiVersion":
        """Read `api-version`; `any_version` takes unknown ones, too.

        Raises MissingRequiredQueryParameter and InvalidQueryParameterValue. The service answers the latter, not the
        documented UnsupportedRequestVersion: https://github.com/Azure/azure-sdk-for-python/issues/19224
        """
        name = query.get("api-version")
        if name is None:
            raise BatchError(ErrorCode.MISSING_REQUIRED_QUERY_PARAMETER, QueryParameterName="api-version")
        if name not in SERVED and not any_version:
            reason = f"These versions are served: {', '.join(SERVED)}; others with --skip-api-version-check"
            raise invalid_parameter("api-version", name, reason)
        return _named(name)

    @property
    def has_task_slots(self) -> bool:
        # A version begins with its date, and dates compare as text.
        return self.name >= _SLOTS

    @property
    def lists_node_agents(self) -> bool:
        """Whether the account lists node agents with their images in place of supported images."""
        return self.name < _IMAGES

    def read(self, body: Document) -> Document:
        """Return a request's body in the terms of the newest version."""
        return body if self.has_task_slots else _renamed(body, _FORMER_NAME, _NAME)

    def show(self, answer: Document) -> Document:
        """Return an answer's body in the terms of this version."""
        return answer if self.has_task_slots else _renamed(answer, _NAME, _FORMER_NAME)

    def query(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """Return a query in the terms of the newest version."""
        if self.has_task_slots or "$select" not in query:
            return query
        return {**query, "$select": query["$select"].replace(_FORMER_NAME, _NAME)}

    def phrase(self, refusal: BatchError) -> None:
        """Make a refusal name properties as this version does."""
        if not self.has_task_slots:
            refusal.details = {key: text.replace(_NAME, _FORMER_NAME) for key, text in refusal.details.items()}


@lru_cache(maxsize=64)
def _named(name: str) -> ApiVersion:
    """Return a version; all requests that name it share it."""
    return ApiVersion(name=name)


NEWEST: Final = ApiVersion(name=SERVED[-1])


def _renamed[T](value: T, old: str, new: str) -> T:
    """Return a JSON value with a property renamed wherever it occurs."""
    match value:
        case dict():
            return {new if key == old else key: _renamed(inner, old, new) for key, inner in value.items()}  # type: ignore[return-value]
        case list():
            return [_renamed(inner, old, new) for inner in value]  # type: ignore[return-value]
    return value
