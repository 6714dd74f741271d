"""The page: three files that hold no data, which ask the rest of the interface for it.

No path that a request names is ever looked for on a disk.
"""

from functools import cache
from pathlib import Path
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.control.access import CONTROL_PREFIX

_FOLDER: Final = Path(__file__).parent / "page"
#: Nothing from elsewhere, nothing inline, nothing that another page can embed; no text becomes HTML or a script.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def show_page(call: Call) -> web.StreamResponse:
    if call.path != CONTROL_PREFIX:
        return call.nameless(308, {"Location": CONTROL_PREFIX})
    return _file(call, "index.html", "text/html")


async def show_styles(call: Call) -> web.StreamResponse:
    return _file(call, "page.css", "text/css")


async def show_script(call: Call) -> web.StreamResponse:
    return _file(call, "page.js", "text/javascript")


def _file(call: Call, name: str, content_type: str) -> web.Response:
    headers = {**call.common_headers, **_HEADERS}
    return web.Response(body=_content(name), content_type=content_type, charset="utf-8", headers=headers)


@cache
def _content(name: str) -> bytes:
    """Return a file; it is read once, since it changes with the emulator alone."""
    return (_FOLDER / name).read_bytes()
