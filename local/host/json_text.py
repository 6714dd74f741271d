"""Reads JSON that others have written: whatever is wrong with it is a ValueError."""

import json
from typing import Any

from aiohttp import web


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401  # any JSON
    """Return the JSON value; raise ValueError, also for one that is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc


async def posted_json(request: web.Request) -> Any:  # noqa: ANN401  # any JSON
    """Return the JSON value of a body in UTF-8, -16 or -32; raise ValueError.

    The `charset` that a client may name is of no account (https://www.rfc-editor.org/rfc/rfc8259#section-11).
    """
    return parse_json(await request.read())
