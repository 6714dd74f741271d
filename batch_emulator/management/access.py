"""Who may manage the account: the clients of Azure Resource Manager have tokens, and no account key."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from batch_emulator.access.authentication import Authentication, bearer_token
from batch_emulator.access.bearer import check_token
from batch_emulator.control.access import is_from_this_machine
from batch_emulator.errors import BatchError, ErrorCode

#: What clients ask a token for (azure-mgmt-core: `https://management.azure.com/.default`), and its former name.
AUDIENCES: Final = ("https://management.azure.com/", "https://management.core.windows.net/")


@dataclass(frozen=True, kw_only=True)
class ManagementAccess:
    """Over HTTPS a token is asked for, as for the service itself; its signature is not verified.

    Over HTTP, where clients send none, everyone on this machine may manage an account whose key everybody knows. Where
    the key is the user's own, that would let other users of the machine run commands: a start task is one.
    """

    authentication: Authentication
    is_key_known: bool

    def check(self, request: web.BaseRequest) -> None:
        """Raise AuthenticationFailed for who may not manage the account."""
        if self.authentication.takes_tokens:
            if not (token := bearer_token(request)):
                raise _refused("A bearer token is expected")
            check_token(token, AUDIENCES)
        elif not self.is_key_known:
            raise _refused("The account has a key of its own: start the emulator with --cert and --key-file")
        elif not is_from_this_machine(request):
            raise _refused("Over HTTP the account is managed from this machine alone")


def _refused(reason: str) -> BatchError:
    return BatchError(ErrorCode.TOKEN_REFUSED, Reason=reason)
