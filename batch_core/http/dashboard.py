"""The dashboard: a page of files that hold no data, which asks the HTTP API for it as any other client does.

So the files need no key; what they ask for does. The files are those of the folder `page` that are listed here, and no
path that a request names is ever looked for on a disk.
"""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from batch_core.http.replies import Content, Reply

_FOLDER: Final = Path(__file__).parent / "page"
_STYLES: Final = ("theme", "controls", "layout", "tasks", "side", "intake", "dialogs", "screens")
_SCRIPTS: Final = (
    *("api", "app", "chart", "counters", "dialogs", "dom", "freshness", "intake", "many", "notices"),
    *("outputs", "panel", "polling", "pools", "selections", "tasks", "ticks", "words"),
)
#: What is served, by its name below `dashboard/`; the page itself is `dashboard`.
FILES: Final[Mapping[str, str]] = {
    "": "text/html",
    "icon.svg": "image/svg+xml",
    **{f"{name}.css": "text/css" for name in _STYLES},
    **{f"{name}.js": "text/javascript" for name in _SCRIPTS},
}
_PAGE: Final = "index.html"
#: Nothing from elsewhere, nothing inline, nothing that another page can embed.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_MOVED: Final = {**_HEADERS, "Location": "../dashboard"}


def dashboard_reply(file: str, url: str) -> Content | Reply:
    """Return a file of the page, the page itself where none is named, and 404 for a name that is not listed.

    What the page names is relative to its address, whatever the prefix of the app's routes is; so an address that ends
    in a slash is answered with 308 to the one without.
    """
    if not file and urlsplit(url).path.endswith("/"):
        return Content(status=HTTPStatus.PERMANENT_REDIRECT, body=b"", media_type="text/html", headers=_MOVED)
    if file not in FILES:
        return Reply(status=HTTPStatus.NOT_FOUND, document={"error": f"the dashboard has no file {file[:100]!r}"})
    content, etag = _content(file)
    return Content(status=HTTPStatus.OK, body=content, media_type=FILES[file], headers={**_HEADERS, "ETag": etag})


@cache
def _content(file: str) -> tuple[bytes, str]:
    """Return a listed file and its ETag; it is read once, since it changes with the app alone."""
    content = (_FOLDER / (file or _PAGE)).read_bytes()
    return content, f'"{sha256(content).hexdigest()[:32]}"'
