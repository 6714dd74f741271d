"""What is done to the system, at random by the seed: each kind once, then whatever comes until time is over."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from random import Random
from typing import Final

from chaos import fault_rules
from chaos.dropper import Dropped, Dropper
from chaos.errors import ChaosError
from chaos.events import Events
from chaos.evidence import tasks_of
from chaos.nodes import Nodes
from chaos.system import System
from local import stack

type Deed = Callable[[], Awaitable[None]]

#: How often each kind is chosen, once each has had its turn.
_WEIGHTS: Final = {
    "fault rules": 8,
    "node": 3,
    "preempt": 3,
    "host": 2,
    "emulator": 1,
    "both": 1,
    "repeat": 4,
    "take away": 4,
    "foreign": 4,
}
_SMALL_BURST: Final = 6
#: How many times, with a second between, a Spot node is waited for.
_LOOKS: Final = 40


class FaultInjector:
    """Does harm, and counts it in `done`; `lost_outputs` are tasks whose output may have gone with its container."""

    def __init__(self, system: System, dropper: Dropper, events: Events, dice: Random) -> None:
        self._system = system
        self._dropper = dropper
        self._events = events
        self._dice = dice
        self._kinds: dict[str, Deed] = {
            "fault rules": self._change_fault_rules,
            "node": self._harm_node,
            "preempt": self._preempt_node,
            "host": self._kill_host,
            "emulator": self._kill_emulator,
            "both": self._kill_both,
            "repeat": self._repeat_events,
            "take away": self._take_events_away,
            "foreign": self._spoil_answers,
            "table": self._make_table_again,
            "outputs": self._make_outputs_again,
        }
        self.done: Counter[str] = Counter()
        self.nodes = Nodes(system, dice, self.done)
        self.lost_outputs: set[str] = set()

    async def do(self, seconds: float) -> None:
        """Do harm for about this time, then put everything right that does not come right by itself."""
        ends = time.monotonic() + seconds
        await self._change_fault_rules()
        turns = self._dice.sample(sorted(self._kinds), len(self._kinds))
        while turns or time.monotonic() < ends:
            kind = turns.pop() if turns else self._dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            await self._kinds[kind]()
            await asyncio.sleep(self._dice.uniform(0.1, 1.0))
        await self._clear_fault_rules()
        await self.nodes.repair()

    async def _change_fault_rules(self) -> None:
        await self._clear_fault_rules()
        async with self._system.http.post(
            self._system.control("faults"), json={"faults": fault_rules.rules(self._dice)}
        ) as response:
            if response.status != HTTPStatus.CREATED:
                raise ChaosError(f"the emulator does not take the fault rules: {await response.text()}")

    async def _clear_fault_rules(self) -> None:
        """Count how often the rules struck, and forget them."""
        async with self._system.http.get(self._system.control("faults")) as response:
            for rule in (await response.json())["faults"]:
                self.done[f"requests {rule['id']}"] += rule["struck"]
        async with self._system.http.delete(self._system.control("faults")):
            pass

    async def _harm_node(self) -> None:
        await self.nodes.harm()

    async def _preempt_node(self) -> None:
        """Take a Spot node away; until there is one, files are dropped for it, and Batch answers."""
        if await self.nodes.preempt():
            return None
        await self._clear_fault_rules()
        for _ in range(_LOOKS):
            await self._dropper.drop_next()
            await asyncio.sleep(1)
            if await self.nodes.preempt():
                return await self._change_fault_rules()
        raise ChaosError(f"the app asks for no Spot node within {_LOOKS} seconds")

    async def _spoil_answers(self) -> None:
        before = self._system.relays.struck
        self._system.relays.spoil_some(self._dice)
        await asyncio.sleep(self._dice.uniform(0.5, 2.5))
        self._system.relays.pass_everything()
        self.done["answers spoiled"] += self._system.relays.struck - before

    async def _make_table_again(self) -> None:
        await self._delete_and_set_up(self._system.table.delete_table)
        self.done["tables made again"] += 1
        await self._change_fault_rules()

    async def _make_outputs_again(self) -> None:
        await self._delete_and_set_up(self._system.outputs.delete_container)
        # What had not completed by now was not copied before.
        self.lost_outputs |= {task.task_id for task in await tasks_of(self._system) if task.is_completed}
        self.done["output containers made again"] += 1
        await self._change_fault_rules()

    async def _delete_and_set_up(self, delete: Callable[[], Awaitable[object]]) -> None:
        """Delete a resource under the running app, and create it again as its operator would; no faults meanwhile."""
        await self._clear_fault_rules()
        await delete()
        await asyncio.sleep(self._dice.uniform(0.1, 1.0))
        await stack.set_up(self._system.plan)

    async def _kill_host(self) -> None:
        await self._system.host.kill()
        self.done["kills of the host"] += 1
        await self._lose_events()
        await self._system.host.start()

    async def _kill_emulator(self) -> None:
        await self._clear_fault_rules()
        await self._system.emulator.kill()
        self.done["kills of the emulator"] += 1
        await asyncio.sleep(self._dice.uniform(0, 2))
        await self._system.emulator.start()
        await self._change_fault_rules()

    async def _kill_both(self) -> None:
        await self._clear_fault_rules()
        await asyncio.gather(self._system.host.kill(), self._system.emulator.kill())
        self.done["kills of the host"] += 1
        self.done["kills of the emulator"] += 1
        await asyncio.sleep(self._dice.uniform(0, 1))
        starts = [self._system.host.start, self._system.emulator.start]
        for start in self._dice.sample(starts, len(starts)):
            await start()
        await self._change_fault_rules()

    async def _lose_events(self) -> None:
        """While the host is down: files are dropped of which it will never hear, and events vanish."""
        for _ in range(self._dice.randint(1, _SMALL_BURST)):
            dropped = await self._dropper.drop_next()
            if dropped is not None:
                await self._events.forget(dropped)
                self.done["events suppressed"] += 1
        self.done["events suppressed"] += await self._events.take_away(32)

    async def _repeat_events(self) -> None:
        if not self._dropper.done:
            # Its turn may come before the first file.
            await self._dropper.drop_next()
        again = [self._dice.choice(self._dropper.done) for _ in range(_SMALL_BURST) if self._dropper.done]
        await asyncio.gather(*map(self._repeat_event, again))

    async def _repeat_event(self, dropped: Dropped) -> None:
        for _ in range(self._dice.randint(1, 4)):
            await self._events.repeat(dropped)
            self.done["events repeated"] += 1

    async def _take_events_away(self) -> None:
        for _ in range(_SMALL_BURST):
            self.done["events suppressed"] += await self._events.take_away(self._dice.randint(1, 8))
            await asyncio.sleep(0.1)
