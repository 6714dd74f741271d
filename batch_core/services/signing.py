"""Signed URLs for nodes: with the account's key, or with a user delegation key where an identity takes its place."""

from datetime import UTC, datetime, timedelta
from typing import Final

from azure.storage.blob import (
    BlobSasPermissions,
    ContainerSasPermissions,
    UserDelegationKey,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.blob.aio import BlobServiceClient

from batch_core.clocks import CLOCK_MARGIN
from batch_core.sdk.translation import translating

#: Storage refuses a key that would live longer than 7 days by its own clock, and what began in its future: so the
#: margin is taken off both ends (https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key).
_KEY_LIFETIME: Final = timedelta(days=7) - CLOCK_MARGIN
_KEY_RENEWAL: Final = timedelta(hours=1)


class Signer:
    """Makes SAS tokens, which are secrets, for at least the time asked for.

    A key of an identity ends them after 7 days less the margin for clocks. They have no start, which could lie in the
    future of Storage's clock (https://learn.microsoft.com/azure/storage/common/storage-sas-overview).
    """

    def __init__(self, client: BlobServiceClient) -> None:
        self._client = client
        self._key: UserDelegationKey | None = None
        self._key_asked = datetime.min.replace(tzinfo=UTC)

    async def reading(self, container: str, blob: str, lifetime: timedelta) -> str:
        """Return a token with which anybody can read this one blob; raises the `ServiceError` that fits."""
        account_key, delegation_key, expiry = await self._means(lifetime)
        return generate_blob_sas(
            account_name=self._client.account_name or "",
            container_name=container,
            blob_name=blob,
            account_key=account_key,
            user_delegation_key=delegation_key,
            permission=BlobSasPermissions(read=True),
            expiry=expiry,
        )

    async def adding(self, container: str, lifetime: timedelta) -> str:
        """Return a token with which anybody can create and write blobs of a container, and read or delete none.

        A SAS cannot be narrowed to names that begin alike. Raises the `ServiceError` that fits.
        """
        return await self._for_container(container, ContainerSasPermissions(create=True, write=True), lifetime)

    async def reading_all(self, container: str, lifetime: timedelta) -> str:
        """Return a token with which anybody can list and read a container; raises the `ServiceError` that fits."""
        return await self._for_container(container, ContainerSasPermissions(read=True, list=True), lifetime)

    async def _for_container(self, container: str, permission: ContainerSasPermissions, lifetime: timedelta) -> str:
        account_key, delegation_key, expiry = await self._means(lifetime)
        return generate_container_sas(
            account_name=self._client.account_name or "",
            container_name=container,
            account_key=account_key or "",
            user_delegation_key=delegation_key,
            permission=permission,
            expiry=expiry,
        )

    async def _means(self, lifetime: timedelta) -> tuple[str | None, UserDelegationKey | None, datetime]:
        """Return the account's key or a delegation key, and when the token is to end."""
        now = datetime.now(UTC)
        expiry = now + lifetime + CLOCK_MARGIN
        account_key: str | None = getattr(self._client.credential, "account_key", None)
        if account_key:
            return account_key, None, expiry
        key = await self._delegation_key(now)
        return None, key, min(expiry, self._key_asked + _KEY_LIFETIME)

    async def _delegation_key(self, now: datetime) -> UserDelegationKey:
        # Asked for once an hour at most: every SAS of that hour is signed with the same key.
        is_young = timedelta(0) <= now - self._key_asked <= _KEY_RENEWAL
        if self._key is None or not is_young:
            with translating("asking for a user delegation key"):
                self._key = await self._client.get_user_delegation_key(now - CLOCK_MARGIN, now + _KEY_LIFETIME)
            self._key_asked = now
        return self._key
