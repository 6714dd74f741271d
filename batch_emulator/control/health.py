"""Whether the emulator answers: for those who wait for it, which may be outside of a container that it runs in."""

from typing import Final

from aiohttp import web

from batch_emulator import __version__
from batch_emulator.call import Call
from batch_emulator.control.answers import answer
from batch_emulator.versions import SERVED

PATH: Final = "/_emulator/health"


async def health(call: Call) -> web.StreamResponse:
    """Say that it answers, and what: nothing that is not known to everybody, since no signature is asked for."""
    return answer(call, {"status": "healthy", "version": __version__, "apiVersions": SERVED})
