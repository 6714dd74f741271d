"""Who may use the emulator's own interface without a signature: people and programs on this machine.

A browser on this machine is neither, but for the interface's own page. What the page sends carries the emulator's own
origin, which no other document has: the emulator serves none that may run a script (see `INERT`), a name that was
made to lead here is refused for its Host, and another port of this machine is another origin.
"""

from ipaddress import ip_address
from typing import Final

from aiohttp import web

from batch_emulator.access.origins import foreign_origin, is_loopback, requested_name

CONTROL_PREFIX: Final = "/_emulator/"


def is_control(path: str) -> bool:
    """Return whether a path is one of the emulator's own interface; people leave out the last slash."""
    return path.startswith(CONTROL_PREFIX) or f"{path}/" == CONTROL_PREFIX


def is_from_this_machine(request: web.BaseRequest) -> bool:
    """Return whether a request comes over the loopback interface, by a name of this machine, and from no other page.

    A name that was allowed does not count: something in between may let other machines in by it.
    """
    if foreign_origin(request) is not None or not request.remote:
        return False
    return ip_address(request.remote).is_loopback and is_loopback(requested_name(request))
