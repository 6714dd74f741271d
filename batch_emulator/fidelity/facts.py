"""The claims as records. They are kept in `claims.toml`, from which the command and docs/fidelity.md are made."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Final, Self

_FILE: Final = "claims.toml"
_SIMULATED: Final = "simulated: "


class Known(StrEnum):
    """How a claim is known, the best first."""

    #: Microsoft's recordings of the real service show it.
    RECORDING = "recording"
    #: A test of azure-batch asserts it, and passes here.
    SDK_TEST = "SDK test"
    #: Microsoft's documentation says it, that of the SDK's models included.
    DOCUMENTATION = "documentation"
    #: Somebody met it and wrote about it.
    PUBLIC_REPORT = "public report"
    #: Nobody has been found to know.
    SENSE = "sense"


class Kind(StrEnum):
    """What an operation is worth."""

    #: It does what the service does.
    REAL = "real"
    #: It answers as the service does, about something that stands in for what one machine cannot have.
    SIMULATED = "simulated"
    #: It is no longer part of the service, and not found.
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One thing that the emulator does; `test` lies in tests/batch_emulator of the repository."""

    area: str
    does: str
    known: Known
    test: str | None
    operations: tuple[str, ...]
    #: Names of recordings, or of tests of azure-batch.
    witnesses: tuple[str, ...]
    url: str | None
    #: The name that the page at `url` has for it.
    at: str | None

    @classmethod
    def read(cls, table: Mapping[str, Any], sources: Mapping[str, str]) -> Self:
        """Read a claim; `sources` are pages by their short names. Raises KeyError and ValueError."""
        return cls(
            area=table["area"],
            does=table["does"],
            known=Known(table["known"]),
            test=table.get("test"),
            operations=tuple(table.get("operations", ())),
            witnesses=tuple(table.get("recordings", table.get("sdk_tests", ()))),
            url=sources[table["source"]] if "source" in table else table.get("url"),
            at=table.get("at"),
        )


@dataclass(frozen=True, kw_only=True)
class OperationFact:
    """What an operation is worth, and for one that is simulated how."""

    name: str
    kind: Kind
    how: str = ""
    #: Of a refused one, which is in no table of routes: its method and path.
    address: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All claims, and what every operation is worth."""

    #: Titles of areas by their short names, in order.
    areas: Mapping[str, str]
    operations: tuple[OperationFact, ...]
    claims: tuple[Claim, ...]

    def about(self, *, area: str | None = None, operation: str | None = None, known: str | None = None) -> list[Claim]:
        """Return the claims of an area, of an operation's answers, or that are known in one way."""
        return [
            claim
            for claim in self.claims
            if (area is None or claim.area == area)
            and (operation is None or operation in claim.operations)
            and (known is None or claim.known == known)
        ]

    def operations_of(self, kind: Kind) -> list[OperationFact]:
        return [operation for operation in self.operations if operation.kind is kind]


@cache
def facts() -> Facts:
    """Read the file of the package."""
    text = resources.files("batch_emulator.fidelity").joinpath(_FILE).read_text(encoding="utf-8")
    table = tomllib.loads(text)
    refused = (
        OperationFact(name=name, kind=Kind.REFUSED, address=(method, path))
        for name, (method, path) in table["refused"].items()
    )
    return Facts(
        areas=table["areas"],
        operations=(*map(_operation, table["operations"].items()), *refused),
        claims=tuple(Claim.read(claim, table["sources"]) for claim in table["claims"]),
    )


def _operation(entry: tuple[str, str]) -> OperationFact:
    name, text = entry
    if text.startswith(_SIMULATED):
        return OperationFact(name=name, kind=Kind.SIMULATED, how=text.removeprefix(_SIMULATED))
    return OperationFact(name=name, kind=Kind(text))
