"""The report of a run: short, and with the first offenders where there are any."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from chaos.run import Result

_MOST_OFFENDERS: Final = 5


def lines(result: Result) -> Iterator[str]:
    verdict = result.verdict
    yield f"seed {result.plan.seed}: {result.plan.files} files, {result.versions} versions, {result.seconds:.0f} s"
    yield _settled(result)
    yield ""
    yield f"injected        {_counts(result.harm)}"
    yield f"final states    {_counts(verdict.states)}; never seen, as overwritten before: {verdict.never_seen}"
    if verdict.forgotten:
        yield f"forgotten       {verdict.forgotten} tasks of overwritten versions, with the table that was made again"
    yield f"detected by     {_counts(verdict.detected_by)}"
    yield f"run again       {verdict.run_again}, each sent back to its queue by Batch"
    yield f"attempts        {verdict.attempts} more, each as the output of the one before was lost"
    yield f"announced       {verdict.announced_again} ends again, as a process was killed or an answer lost in between"
    yield f"scaled pool     the app removed {verdict.nodes_removed} nodes that ran something; {result.nodes_left} left"
    yield ""
    for name, offenders in (
        ("lost", verdict.lost),
        ("run twice", verdict.run_twice),
        ("wrong output", verdict.wrong_output),
        ("uploads lost", verdict.uploads_lost),
        ("reasons missing", verdict.reasons_missing),
        ("unannounced", verdict.unannounced),
    ):
        yield f"{name:<15} {len(offenders)}"
        yield from (f"    {offender}" for offender in offenders[:_MOST_OFFENDERS])


def _settled(result: Result) -> str:
    harm = f"{result.plan.seconds:g} s of harm, the host's clock {result.plan.clock_ahead:g} s ahead"
    if result.settled_after is None:
        return f"{harm}; not everything was done {result.plan.settle_seconds:g} s later"
    return f"{harm}; everything was done {result.settled_after:.0f} s later"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "nothing"
