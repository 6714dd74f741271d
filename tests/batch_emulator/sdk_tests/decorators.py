"""The client of each test: the SDK's own, which waits as little between two looks as is sensible here."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import mock

from async_wrapper import wrap_result
from azure.batch.models import AllocationState, BatchPoolCreateOptions

type Test = Callable[..., Awaitable[None]]

#: Seconds between two looks; the tests say 5 to 10, which suits a data centre.
_PAUSE = 0.05


def recorded_by_proxy_async(test: Test) -> Test:
    return test


def client_setup(test: Test) -> Test:
    async def wrapper(case: object, BatchClient: type, **given: Any) -> None:  # noqa: N803 - the tests' name for it
        client = BatchClient(endpoint=given["batch_account"].account_endpoint, credential=given["credential"])
        _poll_quickly(client)
        _settle_empty_pools(client)
        try:
            with mock.patch("time.sleep", functools.partial(_nap, time.sleep)):
                await test(case, client, **given)
        finally:
            await wrap_result(client.close())

    return wrapper


def _nap(sleep: Callable[[float], None], seconds: float) -> None:
    sleep(min(seconds, _PAUSE))


def _settle_empty_pools(client: Any) -> None:
    """Return from the creation of a pool without nodes when it is steady: seconds passed when this was recorded."""
    create, get = client.create_pool, client.get_pool

    async def create_and_settle(pool: BatchPoolCreateOptions, **options: Any) -> None:
        await wrap_result(create(pool, **options))
        if not pool.target_dedicated_nodes:
            while (await wrap_result(get(pool.id))).allocation_state != AllocationState.STEADY:
                await asyncio.sleep(_PAUSE)

    # The tests wait for the results of the sync client, too.
    client.create_pool = create_and_settle


def _poll_quickly(client: Any) -> None:
    """Let the client's long-running operations poll often, whatever interval their callers give."""
    for name in dir(client):
        if name.startswith("begin_"):
            setattr(client, name, _quick(getattr(client, name)))


def _quick(begin: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(begin)
    def begin_quickly(*arguments: Any, **options: Any) -> Any:
        return begin(*arguments, **{**options, "polling_interval": _PAUSE})

    return begin_quickly
