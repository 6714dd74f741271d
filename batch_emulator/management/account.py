"""Operations of Azure Resource Manager on the account: there is one, whatever subscription and group are named.

Shape: recording `test_mgmt_batch_account` of azure-mgmt-batch.
"""

from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.management.addresses import account_id, check_names
from batch_emulator.management.answers import answer
from batch_emulator.routing import Handler
from batch_emulator.values.documents import Document

_LOCATION: Final = "local"
_GROUP: Final = "batch-emulator"


@dataclass(frozen=True, kw_only=True)
class AccountOperations:
    """The account by its name; `key` is None where it is the user's own, which is never shown."""

    name: str
    key: str | None = field(repr=False)

    async def get_account(self, call: Call) -> web.StreamResponse:
        return answer(call, self._resource(call, *call.parameters[:2]))

    async def list_accounts_of_group(self, call: Call) -> web.StreamResponse:
        return answer(call, {"value": [self._resource(call, *call.parameters)]})

    async def list_accounts(self, call: Call) -> web.StreamResponse:
        return answer(call, {"value": [self._resource(call, call.parameters[0], _GROUP)]})

    async def list_keys(self, call: Call) -> web.StreamResponse:
        if self.key is None:
            raise BatchError(ErrorCode.KEY_NOT_SHOWN)
        return answer(call, {"accountName": self.name, "primary": self.key, "secondary": self.key})

    def of_this_account(self, handler: Handler) -> Handler:
        """Let a handler answer for this account alone. Raises ResourceNotFound for another."""

        async def checked(call: Call) -> web.StreamResponse:
            subscription, group, account = call.parameters[:3]
            check_names(subscription, group)
            if account.lower() != self.name.lower():
                reason = f"The account is {self.name!r}; {account[:64]!r} of group {group[:64]!r} is not there"
                raise BatchError(ErrorCode.RESOURCE_NOT_FOUND, Reason=reason)
            return await handler(call)

        return checked

    def _resource(self, call: Call, subscription: str, group: str) -> Document:
        check_names(subscription, group)
        # A host and a port; of a real account it has no scheme either.
        endpoint = call.endpoint.partition("://")[2]
        limits = call.service.controls.quotas.limits
        quotas = {
            "dedicatedCoreQuota": limits.dedicated_cores,
            "lowPriorityCoreQuota": limits.low_priority_cores,
            "poolQuota": limits.pools,
            "activeJobAndJobScheduleQuota": limits.active_jobs_and_schedules,
        }
        return {
            "id": account_id(subscription, group, self.name),
            "name": self.name,
            "type": "Microsoft.Batch/batchAccounts",
            "location": _LOCATION,
            "identity": {"type": "None"},
            "properties": {
                "accountEndpoint": endpoint,
                "nodeManagementEndpoint": endpoint,
                "provisioningState": "Succeeded",
                "poolAllocationMode": "BatchService",
                "publicNetworkAccess": "Enabled",
                "encryption": {"keySource": "Microsoft.Batch"},
                "allowedAuthenticationModes": ["SharedKey", "AAD", "TaskAuthenticationToken"],
                # Without a limit there is none to show.
                **{name: limit for name, limit in quotas.items() if limit is not None},
            },
        }
