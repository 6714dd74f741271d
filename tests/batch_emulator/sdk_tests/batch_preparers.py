"""An account, a pool and a job for a test: the account is an emulator of the test's own."""

import asyncio
import contextlib
import functools
import itertools
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from azure.batch.aio import BatchClient
from azure.batch.models import (
    AllocationState,
    BatchAutoPoolSpecification,
    BatchInboundNatPool,
    BatchJobCreateOptions,
    BatchPoolCreateOptions,
    BatchPoolEndpointConfiguration,
    BatchPoolInfo,
    BatchPoolLifetimeOption,
    BatchPoolSpecification,
    BatchVmImageReference,
    ElevationLevel,
    InboundEndpointProtocol,
    NetworkConfiguration,
    UserAccount,
    VirtualMachineConfiguration,
)
from azure.core.credentials import AzureNamedKeyCredential
from devtools_testutils import Preparer

from batch_emulator.server import running
from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY, Settings

_numbers = itertools.count(1)
_VM_SIZE = "standard_d2_v2"


@dataclass(frozen=True, kw_only=True)
class Account:
    name: str
    account_endpoint: str


@dataclass(frozen=True, kw_only=True)
class Named:
    """A pool or job, as far as tests look at what was prepared."""

    id: str

    @property
    def name(self) -> str:
        return self.id


@functools.cache
def _emulators_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of a thread for emulators: the tests' own loop is blocked by the sync client."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="emulators", daemon=True).start()
    return loop


class AccountPreparer(Preparer):
    def __init__(self, **options: Any) -> None:
        """Accept and ignore where in Azure the account would be."""

    @asynccontextmanager
    async def prepare(self, given: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        loop = _emulators_loop()
        emulator = running(Settings(port=0, location=None))
        url = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(emulator.__aenter__(), loop))
        try:
            yield {
                "batch_account": Account(name=DEFAULT_ACCOUNT, account_endpoint=url),
                "credential": AzureNamedKeyCredential(DEFAULT_ACCOUNT, DEFAULT_KEY),
            }
        finally:
            end = emulator.__aexit__(None, None, None)
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(end, loop))


@contextlib.asynccontextmanager
async def _client(given: Mapping[str, Any]) -> AsyncIterator[BatchClient]:
    async with BatchClient(given["batch_account"].account_endpoint, given["credential"]) as client:
        yield client


class PoolPreparer(Preparer):
    """The pool is the emulator's to take away: it ends with the test."""

    def __init__(self, *, size: int = 0, os: str = "Linux", pool_name: str, **options: Any) -> None:
        self._options = BatchPoolCreateOptions(
            id=pool_name,
            display_name="test_pool",
            vm_size=_VM_SIZE,
            virtual_machine_configuration=_virtual_machine(os),
            target_dedicated_nodes=size,
            user_accounts=[UserAccount(name="task-user", password="secret", elevation_level=ElevationLevel.ADMIN)],
            network_configuration=NetworkConfiguration(
                endpoint_configuration=BatchPoolEndpointConfiguration(inbound_nat_pools=[_remote_desktop()])
            ),
        )

    @asynccontextmanager
    async def prepare(self, given: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        pool_id = self._options.id
        async with _client(given) as client, asyncio.timeout(30):
            await client.create_pool(self._options)
            while (await client.get_pool(pool_id)).allocation_state != AllocationState.STEADY:
                await asyncio.sleep(0.02)
        yield {"batch_pool": Named(id=pool_id)}


class JobPreparer(Preparer):
    """A job on the pool prepared before, or on an auto pool; it ends with the test's emulator."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    @asynccontextmanager
    async def prepare(self, given: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        job = BatchJobCreateOptions(id=f"batch{next(_numbers)}", pool_info=_pool_info(given), **self._options)
        async with _client(given) as client:
            await client.create_job(job)
        yield {"batch_job": Named(id=job.id)}


def _pool_info(given: Mapping[str, Any]) -> BatchPoolInfo:
    if "batch_pool" in given:
        return BatchPoolInfo(pool_id=given["batch_pool"].id)
    return BatchPoolInfo(
        auto_pool_specification=BatchAutoPoolSpecification(
            pool_lifetime_option=BatchPoolLifetimeOption.JOB,
            pool=BatchPoolSpecification(vm_size=_VM_SIZE, virtual_machine_configuration=_virtual_machine("Linux")),
        )
    )


def _virtual_machine(os: str) -> VirtualMachineConfiguration:
    if os == "Windows":
        image = BatchVmImageReference(
            publisher="MicrosoftWindowsServer", offer="WindowsServer", sku="2016-Datacenter-smalldisk"
        )
        return VirtualMachineConfiguration(image_reference=image, node_agent_sku_id="batch.node.windows amd64")
    image = BatchVmImageReference(publisher="Canonical", offer="0001-com-ubuntu-server-jammy", sku="22_04-lts")
    return VirtualMachineConfiguration(image_reference=image, node_agent_sku_id="batch.node.ubuntu 22.04")


def _remote_desktop() -> BatchInboundNatPool:
    return BatchInboundNatPool(
        name="ruleName",
        protocol=InboundEndpointProtocol.TCP,
        backend_port=3389,
        frontend_port_range_start=15000,
        frontend_port_range_end=15100,
    )
