"""Whether files are submitted in the order of their drop when many wait."""

import random
import tempfile
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import whole_app
from dropping import drop, names
from relayed_stack import Conditions, services

#: Files are dropped sixteen at a time: which of two collections in a row a file is in says nothing of the order.
_ALLOWED_COLLECTIONS: Final = 1


@dataclass(frozen=True, kw_only=True)
class Order:
    """How far the order of submission is from that of the drops.

    `waiting` files were not submitted yet when the last of the backlog was dropped, and `before_last` later ones were
    submitted before it. `overtaken` are all files that a later one has overtaken by more than a collection, `most` is
    by how many one of them was.
    """

    files: int
    collections: int
    waiting: int
    before_last: int
    overtaken: int
    most: int


async def backlog(conditions: Conditions, *, by_name: bool) -> Order:
    """Drop many files at once, then one, then a tenth as many: in the order of their names, or in any order."""
    wanted = names(conditions.files + 1 + conditions.files // 10)
    if not by_name:
        random.shuffle(wanted)
    last = wanted[conditions.files]
    with tempfile.TemporaryDirectory(prefix="peers-") as path:
        async with services(Path(path), conditions) as running, whole_app.running(running, Path(path)) as app:
            await app.warm_up()
            dropped = await drop(app.inputs, wanted[: conditions.files])
            dropped |= await drop(app.inputs, [last])
            dropped |= await drop(app.inputs, wanted[conditions.files + 1 :])
            records = await app.until_closed(wanted)
    submitted = {one.blob: one.submitted_at for one in records if one.submitted_at}
    return order(dropped, submitted, last)


def order(dropped: Mapping[str, datetime], submitted: Mapping[str, datetime], last: str) -> Order:
    """Compare when files were dropped and submitted."""
    collections = sorted(set(submitted.values()))
    by_drop = sorted(dropped, key=lambda name: dropped[name])
    overtakers = _overtakers([bisect_left(collections, submitted[name]) for name in by_drop])
    return Order(
        files=len(by_drop),
        collections=len(collections),
        waiting=sum(submitted[name] > dropped[last] for name in by_drop if dropped[name] < dropped[last]),
        before_last=overtakers[by_drop.index(last)],
        overtaken=sum(count > 0 for count in overtakers),
        most=max(overtakers),
    )


def _overtakers(places: Sequence[int]) -> list[int]:
    """Return for each file how many later ones are more than a collection before it."""
    later: list[int] = []
    found = []
    for place in reversed(places):
        found.append(bisect_left(later, place - _ALLOWED_COLLECTIONS))
        insort(later, place)
    return found[::-1]
