"""The answers of the emulator's own interface: JSON that a person can read."""

import json

from aiohttp import web

from batch_emulator.bounds import read_in_time
from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.faults.form import Invalid


def answer(call: Call, document: object, status: int = 200) -> web.Response:
    text = json.dumps(document, indent=2) + "\n"
    return web.Response(
        status=status,
        text=text,
        content_type="application/json",
        headers={**call.common_headers, "Cache-Control": "no-store"},
    )


def refuse(call: Call, exc: Invalid) -> web.Response:
    """Answer 400 with every problem."""
    return answer(call, {"problems": exc.problems}, 400)


async def read_json(call: Call) -> object:
    """Return the JSON value of the body. Raises Invalid or RequestBodyTooLarge."""
    try:
        return json.loads(await read_in_time(call.request))
    except web.HTTPRequestEntityTooLarge as exc:
        raise BatchError(ErrorCode.REQUEST_BODY_TOO_LARGE) from exc
    except (ValueError, RecursionError) as exc:
        raise Invalid([f"The body is not JSON: {exc}"]) from exc
