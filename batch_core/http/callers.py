"""Who asks, as far as the host says.

App Service Authentication names the person or program that it has let in; with a function key alone nobody is named
(https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities).
"""

from collections.abc import Mapping
from typing import Final

from batch_core.naming import storable

_NAME: Final = "x-ms-client-principal-name"
_LONGEST: Final = 200


def asked_by(headers: Mapping[str, str]) -> str | None:
    """Return the name of the caller; None if the host does not say. Without authentication anybody can send any."""
    return storable(headers.get(_NAME, "")[:_LONGEST]) or None
