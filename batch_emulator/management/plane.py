"""What happens to every request of Azure Resource Manager's clients: access, version, routing, errors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode, invalid_parameter
from batch_emulator.management.access import ManagementAccess
from batch_emulator.management.account import AccountOperations
from batch_emulator.management.addresses import spelled
from batch_emulator.management.routes import management_routes
from batch_emulator.routing import Router
from batch_emulator.service import BatchService

#: The first version with identities of pools (azure-mgmt-batch 16); the shapes of later ones are those of the newest.
_OLDEST: Final = "2021-06-01"
_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?", re.ASCII)


@dataclass(frozen=True)
class ManagementPlane:
    """The account as Azure Resource Manager has it."""

    account: AccountOperations
    access: ManagementAccess

    @cached_property
    def _router(self) -> Router:
        return Router(management_routes(self.account))

    async def answer(
        self, request: web.BaseRequest, service: BatchService, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Answer a request. Raises BatchError."""
        self.access.check(request)
        _check_version(query)
        path = spelled(request.raw_path.partition("?")[0])
        try:
            operation, parameters = self._router.find(request.method, path)
        except BatchError as exc:
            raise BatchError(ErrorCode.NOT_MANAGED_HERE) from exc
        call = Call(
            request=request,
            service=service,
            parameters=parameters,
            query=query,
            endpoint=f"{request.scheme}://{request.host}",
            path=path,
            common_headers=headers,
        )
        return await operation.handler(call)


def _check_version(query: Mapping[str, str]) -> None:
    version = query.get("api-version")
    if version is None:
        raise BatchError(ErrorCode.MISSING_REQUIRED_QUERY_PARAMETER, QueryParameterName="api-version")
    if not _VERSION.fullmatch(version) or version < _OLDEST:
        raise invalid_parameter("api-version", version, f"A date is expected, {_OLDEST} or later")
