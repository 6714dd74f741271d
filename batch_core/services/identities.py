"""What the app is without keys: an identity whose tokens are not waited for longer than `LONGEST_TOKEN`."""

from typing import Any

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from batch_core.services.call_limits import within_a_token


class BriefIdentity(DefaultAzureCredential):
    """Asks for tokens as `DefaultAzureCredential` does, but not for longer than `LONGEST_TOKEN`."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - as the SDK has it
        async with within_a_token():
            return await super().get_token(*scopes, **options)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        async with within_a_token():
            return await super().get_token_info(*scopes, options=options)


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
