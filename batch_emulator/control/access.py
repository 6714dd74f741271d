"""Who may use the emulator's own interface without a signature: people and programs on this machine."""

from ipaddress import ip_address
from typing import Final

from aiohttp import web
from yarl import URL

from batch_emulator.access.origins import is_loopback, plain_name

CONTROL_PREFIX: Final = "/_emulator/"


def is_from_this_machine(request: web.BaseRequest) -> bool:
    """Return whether a request comes over the loopback interface, by a name of this machine, and from no web page.

    A name that was allowed does not count: something in between may let other machines in by it.
    """
    if "Origin" in request.headers or not request.remote:
        return False
    return ip_address(request.remote).is_loopback and is_loopback(plain_name(URL(f"//{request.host}").host or ""))
