"""Routes that no file reaches, since an earlier one takes all that they could."""

import re
from collections.abc import Sequence
from typing import Final

from batch_core.config.routes import Route

_WILDCARD: Final = re.compile(r"[*?[]")
_EVERYTHING: Final = "**"


def unreachable(routes: Sequence[Route]) -> list[tuple[Route, Route]]:
    """Return the routes that take no file by their globs, each with the first route that takes one of theirs.

    Only what is certain is found: each of their globs is also a glob of an earlier route, or has no wildcards and is
    matched by an earlier one, or an earlier one is `**`.
    """
    found = []
    for place, later in enumerate(routes):
        takers = [_taker(glob, routes[:place]) for glob in later.globs]
        if takers[0] is not None and None not in takers:
            found.append((later, takers[0]))
    return found


def _taker(glob: str, earlier: Sequence[Route]) -> Route | None:
    return next((route for route in earlier if _takes_all(route, glob)), None)


def _takes_all(route: Route, glob: str) -> bool:
    if glob in route.globs or _EVERYTHING in route.globs:
        return True
    is_literal = not _WILDCARD.search(glob)
    return is_literal and (route.match_of(glob) is not None or route.has_in_folder(glob))
