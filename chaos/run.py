"""One run: drop and do harm, let everything settle, look at what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from chaos import files, system
from chaos.dropper import Dropper
from chaos.events import Events
from chaos.evidence import gather, read_table
from chaos.fault_injection import FaultInjector
from chaos.nodes import Nodes
from chaos.system import System
from chaos.verdict import Verdict, judge
from chaos.watch import Watch

_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done: `seconds` of harm, then at most `settle_seconds` until everything must be done.

    All the while the host's clock is `clock_ahead` seconds ahead of the services'.
    """

    seed: int
    files: int
    seconds: float
    settle_seconds: float = 150.0
    clock_ahead: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run."""

    plan: Plan
    versions: int
    seconds: float
    settled_after: float | None
    harm: Counter[str]
    verdict: Verdict
    #: Nodes that the scaled pool has at the end.
    nodes_left: int

    @property
    def is_good(self) -> bool:
        return self.verdict.is_good and self.settled_after is not None


async def run(plan: Plan, folder: Path) -> Result:
    """Carry out the plan in a folder; raise StackError if that cannot be done."""
    started = time.monotonic()
    async with system.running(folder, plan.clock_ahead) as stack:
        dropper = Dropper(stack.inputs, files.plan(plan.seed, plan.files), _dice(plan, "drops"))
        events = Events(stack.events, stack.hosts, stack.inputs.container_name)
        harm = FaultInjector(stack, dropper, events, _dice(plan, "harm"))
        watch = Watch(stack)
        watching = asyncio.create_task(watch.run())
        await _together(dropper.drop_most(plan.seconds * 0.9), harm.do(plan.seconds))
        await dropper.drop_rest()
        watch.all_is_quiet()
        settled_after = await _settle(stack, dropper, events, harm.nodes, plan.settle_seconds)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        nodes_left = sum(node.is_spot for node in await harm.nodes.list())
        evidence = await gather(
            stack,
            dropper.done,
            watch.unexplained,
            nodes=harm.nodes,
            lost_outputs=harm.lost_outputs,
            is_table_new=harm.done["tables made again"] > 0,
        )
    return Result(
        plan=plan,
        versions=len(dropper.done),
        seconds=time.monotonic() - started,
        settled_after=settled_after,
        harm=harm.done,
        verdict=judge(evidence),
        nodes_left=nodes_left,
    )


async def _together(*work: Coroutine[object, object, None]) -> None:
    """Do all of it, or raise the first error."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors


def _dice(plan: Plan, purpose: str) -> Random:
    return Random(f"{plan.seed}-{purpose}")  # noqa: S311 - dice, not secrets


async def _settle(stack: System, dropper: Dropper, events: Events, nodes: Nodes, seconds: float) -> float | None:
    """Wait until everything is done, two more sweeps found nothing to do, and the scaled pool has no node any more.

    None if the time was up before.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            while True:
                await _until(stack, lambda: _is_done(stack, dropper, events))
                await _next_sweep(stack)
                await _next_sweep(stack)
                if await _is_done(stack, dropper, events) and not any(node.is_spot for node in await nodes.list()):
                    return time.monotonic() - began
    except TimeoutError:
        return None


async def _is_done(stack: System, dropper: Dropper, events: Events) -> bool:
    records, unfinished = await read_table(stack)
    recorded = {(record.blob, record.etag) for record in records if record.is_final}
    newest = {dropped.version.name: dropped.etag for dropped in dropper.done}
    is_left = unfinished.open_rows or unfinished.unsent
    return not is_left and recorded >= set(newest.items()) and await events.are_handled()


async def _next_sweep(stack: System) -> None:
    """Wait until a sweep that is complete has been noted."""
    before = await _sweep_noted(stack)

    async def is_noted_again() -> bool:
        return await _sweep_noted(stack) != before

    await _until(stack, is_noted_again)


async def _sweep_noted(stack: System) -> object:
    positions = stack.table.query_entities("PartitionKey eq 'sweep'")
    return [entity.metadata["etag"] async for entity in positions]


async def _until(stack: System, condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():
        stack.host.require_alive()
        stack.emulator.require_alive()
        await asyncio.sleep(_POLL_SECONDS)
