"""Makes docs/fidelity.md of the repository."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from batch_emulator.fidelity.facts import Claim, Facts, Kind, Known, OperationFact
from batch_emulator.fidelity.tables import Row, as_markdown, count_claims, count_operations
from batch_emulator.routes import ROUTES

_TESTS: Final = PurePosixPath("../tests/batch_emulator")
_HEAD: Final = """\
# Fidelity of the emulator

What the [emulator of Azure Batch](../batch_emulator/README.md) does, and how it is known that the
service does so. This page is made of [claims.toml](../batch_emulator/fidelity/claims.toml) by
`python -m batch_emulator.fidelity --document > docs/fidelity.md`, and a test compares them.
`python -m batch_emulator.fidelity` prints the counts; with `--area`, `--operation` or `--known` it
prints the claims.

What recordings show is the default: where they contradict the documentation or the SDK's models,
the emulator does as recorded. Known by

- *recording*: Microsoft's recordings of the real service, in
  [Azure/azure-sdk-assets](https://github.com/Azure/azure-sdk-assets). `should_…` are those of
  js/sdk/batch/batch, with the beginnings of long names, `test_batch_…` those of python/sdk/batch,
  `test_mgmt_…` those of azure-mgmt-batch in
  [Azure/azure-sdk-for-python](https://github.com/Azure/azure-sdk-for-python/tree/main/sdk/batch/azure-mgmt-batch/tests),
  others those of net/sdk/batch. Each claim names one or two that show it, and the test that holds
  the emulator to them.
- *SDK test*: a test of azure-batch 15.1.0, in
  [test_batch.py](https://github.com/Azure/azure-sdk-for-python/blob/azure-batch_15.1.0/sdk/batch/azure-batch/tests/test_batch.py),
  which runs against the emulator unmodified. It says that the answers satisfy the test, no more.
- *documentation*: Microsoft's, that of the SDK's models and operations included.
- *public report*: somebody met it.
- *sense*: nobody has been found to know. It is a guess, or a choice of the emulator's own.

A test is named wherever there is one; of a claim that is not known by a recording or an SDK test,
it says what the emulator does, and not that the service does so.
"""
_OPERATIONS: Final = """\
*real*: does what the service does. *simulated*: answers as the service does, about something that
stands in for what one machine cannot have;
[What is different](../batch_emulator/README.md#what-is-different) says more. *refused*: no longer
part of the service, and answered with 404 `ResourceNotFound`. The names are those that rules of
faults take."""


def document(facts: Facts) -> str:
    """Return the page, in the form that mdformat leaves as it is."""
    areas = (part for area, title in facts.areas.items() for part in _area(facts, area, title))
    parts = [
        _HEAD.rstrip(),
        "## Counts",
        as_markdown(count_claims(facts)),
        "## Operations",
        as_markdown(count_operations(facts)),
        _OPERATIONS,
        as_markdown(_operations(facts)),
        *areas,
    ]
    return "\n\n".join(parts) + "\n"


def _operations(facts: Facts) -> list[Row]:
    addresses = {each.name: (each.method, each.path) for each in ROUTES}
    rows = [
        (f"`{each.name}`", *_address(each, addresses), _worth(each), str(len(facts.about(operation=each.name)) or ""))
        for each in facts.operations
    ]
    return [("operation", "method", "path", "", "claims"), *rows]


def _address(fact: OperationFact, addresses: dict[str, tuple[str, str]]) -> Row:
    method, path = fact.address or addresses[fact.name]
    return method, f"`{path}`"


def _worth(fact: OperationFact) -> str:
    return f"{fact.kind}: {fact.how}" if fact.kind is Kind.SIMULATED else fact.kind


def _area(facts: Facts, area: str, title: str) -> Iterator[str]:
    yield f"## {title}"
    rows = [(claim.does, claim.known, _source(claim), _test(claim)) for claim in facts.about(area=area)]
    yield as_markdown([("the emulator", "known by", "source", "test"), *rows])


def _source(claim: Claim) -> str:
    if claim.known in {Known.RECORDING, Known.SDK_TEST}:
        return ", ".join(f"`{name}`" for name in claim.witnesses)
    if claim.url is None:
        return ""
    name = f"`{claim.at}`" if claim.at else claim.url.removeprefix("https://").partition("/")[2].rpartition("/")[2]
    return f"[{name}]({claim.url})"


def _test(claim: Claim) -> str:
    if claim.test is None:
        return ""
    path, _, name = claim.test.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}]({_TESTS / path})"
