"""What the emulator is compared with: an aiohttp server that reads each request and answers a constant.

Started by emulator.py; prints its address. The path's last part says how many bytes to answer.
"""

import asyncio
from typing import Final

from aiohttp import web

_TYPE: Final = "application/json; odata=minimalmetadata"


def _body(size: int) -> bytes:
    return b'{"text":"' + b"x" * max(size - 11, 0) + b'"}'


async def _answer(request: web.BaseRequest) -> web.StreamResponse:
    await request.read()
    size = int(request.path.rpartition("/")[2])
    body = _BODIES.setdefault(size, _body(size))
    return web.Response(body=body, headers={"Content-Type": _TYPE, "request-id": "none", "DataServiceVersion": "3.0"})


_BODIES: Final[dict[int, bytes]] = {}


async def _serve() -> None:
    runner = web.ServerRunner(web.Server(_answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=512).start()
    print(f"ready at http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
