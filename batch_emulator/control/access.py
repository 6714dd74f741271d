"""Who may use the emulator's own interface without a signature: people and programs on this machine."""

from ipaddress import ip_address
from typing import Final

from aiohttp import web
from yarl import URL

CONTROL_PREFIX: Final = "/_emulator/"


def is_from_this_machine(request: web.BaseRequest) -> bool:
    """Tell whether a request comes over the loopback interface, and from no web page.

    A page from elsewhere, opened in a browser on this machine, could otherwise reach the emulator:
    browsers name the page's origin when they send something, and a name that was made to lead here
    stands in the Host header.
    """
    if "Origin" in request.headers or not request.remote:
        return False
    return ip_address(request.remote).is_loopback and _names_this_machine(request.host)


def _names_this_machine(host: str) -> bool:
    try:
        name = URL(f"//{host}").host or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
