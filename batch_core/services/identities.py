"""What the app is without keys: an identity whose tokens are not waited for longer than `LONGEST_TOKEN`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from batch_core.sdk.error_reply import first_line
from batch_core.services.call_limits import within_a_token

NOT_SIGNED_IN: Final = "nobody is signed in, and this machine has no managed identity: `az login` signs you in"
_STORAGE: Final = "https://storage.azure.com/.default"
#: What DefaultAzureCredential says when none of its credentials has given a token (azure-identity 1.27, chained.py).
_NONE_FOUND: Final = "failed to retrieve a token from the included credentials"


class BriefIdentity(DefaultAzureCredential):
    """Asks for tokens as `DefaultAzureCredential` does, but not for longer than `LONGEST_TOKEN`."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - as the SDK has it
        with _in_plain_words():
            async with within_a_token():
                return await super().get_token(*scopes, **options)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        with _in_plain_words():
            async with within_a_token():
                return await super().get_token_info(*scopes, options=options)


@contextmanager
def _in_plain_words() -> Iterator[None]:
    """Say what to do where no identity can be had: the SDK lists all that it has tried, of which most never fit."""
    try:
        yield
    except CredentialUnavailableError:
        raise
    except ClientAuthenticationError as exc:
        if _NONE_FOUND in exc.message:
            raise ClientAuthenticationError(NOT_SIGNED_IN) from exc
        raise


class BriefAssignedIdentity(ManagedIdentityCredential):
    """Asks for tokens of a user-assigned identity, but not for longer than `LONGEST_TOKEN`."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - as the SDK has it
        async with within_a_token():
            token: AccessToken = await super().get_token(*scopes, **options)
        return token

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        async with within_a_token():
            token: AccessTokenInfo = await super().get_token_info(*scopes, options=options)
        return token


def app_identity(client_id: str) -> BriefIdentity | BriefAssignedIdentity:
    """Return the user-assigned identity of this client id; empty: what `DefaultAzureCredential` finds."""
    return BriefAssignedIdentity(client_id=client_id) if client_id else BriefIdentity()


async def sign_in_problem(client_id: str) -> str | None:
    """Ask for a token, as the app's identity would; return why there is none, None if there is one."""
    identity = app_identity(client_id)
    try:
        await identity.get_token_info(_STORAGE)
    except ClientAuthenticationError as exc:
        return first_line(exc.message)
    finally:
        await identity.close()
    return None
