"""Whatever happens, in whatever order: every version of every file comes to one end, and none runs twice.

A model that hypothesis drives against the real table and the real emulator: files are dropped and overwritten, events
come, come again or never, people step in, ticks overlap, the process ends anywhere, and Batch does what it can do. The
rules of what must be true are in `World`: it looks after every step, and once more when all has become quiet.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from batch_core.app import App, app_on, utc_now
from batch_core.cancel import cancel
from batch_core.collect import collect
from batch_core.errors import BlobNotFound, NotNow, RecordNotFound, ServiceError
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.state.record import TRANSITIONS, DetectedBy, TaskState
from batch_core.submit import submit, submit_again
from batch_core.sweep import sweep
from batch_core.tidy import tidy
from tests.batch_core.cuts import Cut, End
from tests.batch_core.steps import TRIGGER, later
from tests.batch_core.world import ARROWS, World
from tests.batch_emulator.control_client import control

#: How many lives are tried; CONTRIBUTING.md says how to try more.
IS_LONG = "LIFE_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("LIFE_EXAMPLES", "12"))
STEPS = 15

NAMES = st.sampled_from(["a.txt", "b.txt"])
CUTS = st.none() | st.builds(Cut, at=st.integers(1, 10), is_after=st.booleans(), end=st.sampled_from(End))
TICKS = {"sweep": sweep, "collect": collect, "reconcile": reconcile}
TICK = st.sampled_from(sorted(TICKS))
WEATHER = {
    "busy": {"operation": "*", "answer": {"status": 503}},
    "throttled": {"operation": "*", "answer": {"status": 429}},
    "silent": {"operation": "*", "cut": True, "when": "after"},
    "fickle": {"operation": "*", "answer": {"status": 500}, "when": "after", "probability": 0.3, "seed": 1},
}


class Life(RuleBasedStateMachine):
    """What can happen. Runs in a thread of its own; what it does runs in the loop that the clients belong to."""

    make_world: Callable[[], Awaitable[World]]
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.world = self.run(self.make_world())
        self.is_fair = True

    def run[T](self, work: Awaitable[T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def do(self, work: Callable[[App], Awaitable[object]], cut: Cut | None = None) -> None:
        """Let the app work: what a caller hears is fine, and so is trouble of the service while there is some."""
        try:
            await self.world.do(work, cut)
        except (BlobNotFound, NotNow, RecordNotFound):
            pass
        except ServiceError as exc:
            # Without a status it is a connection that was lost: Azurite closes those that are idle for five seconds.
            if self.is_fair and exc.status:
                raise

    # Files and their events

    @initialize(exit_code=st.sampled_from([0, 3]), cut=CUTS)
    def a_first_file_is_submitted(self, exit_code, cut):
        self.a_file_is_dropped_or_overwritten("a.txt", exit_code)
        self.an_event_comes("a.txt", cut)

    @rule(name=NAMES, exit_code=st.sampled_from([0, 3]))
    def a_file_is_dropped_or_overwritten(self, name, exit_code):
        self.run(self.world.drop(name, exit_code=exit_code))

    @rule(name=NAMES, cut=CUTS)
    def an_event_comes(self, name, cut):
        self.run(self.do(lambda app: _submit(app, name), cut))

    @rule(name=NAMES)
    def an_event_comes_twice_at_once(self, name):
        self.run(_together(self.do(lambda app: _submit(app, name)), self.do(lambda app: _submit(app, name))))

    @rule(name=NAMES, is_forced=st.booleans(), cut=CUTS)
    def a_person_submits(self, name, is_forced, cut):
        self.run(self.do(lambda app: _submit_by_hand(app, name, is_forced), cut))

    # Ticks

    @rule(tick=TICK, cut=CUTS)
    def a_tick_comes(self, tick, cut):
        began = utc_now()
        self.run(self.do(TICKS[tick], cut))
        if cut is None and self.is_fair and tick == "reconcile":
            self.run(self.all_that_waits_has_a_reason(began))

    @rule(ticks=st.lists(TICK, min_size=2, max_size=3), cut=CUTS)
    def ticks_overlap(self, ticks, cut):
        first, *others = (TICKS[tick] for tick in ticks)
        self.run(_together(self.do(first, cut), *(self.do(other) for other in others)))

    @rule(cut=CUTS)
    def the_next_day_tidies(self, cut):
        self.run(self.do(lambda app: tidy(later(app, days=1)), cut))

    # People

    @rule(name=NAMES, cut=CUTS)
    def a_person_cancels(self, name, cut):
        self.run(self.step_in(cancel, name, cut))

    @rule(name=NAMES, cut=CUTS)
    def a_person_retries(self, name, cut):
        self.run(self.step_in(retry, name, cut))

    @rule(name=NAMES, tick=TICK)
    def a_person_cancels_during_a_tick(self, name, tick):
        self.run(_together(self.step_in(cancel, name, None), self.do(TICKS[tick])))

    async def step_in(self, request: Callable[[App, str], Awaitable[object]], name: str, cut: Cut | None) -> None:
        if task := await self.world.task_of(name):
            await self.do(lambda app: request(app, task), cut)

    # Batch

    @rule(name=NAMES)
    def a_task_ends(self, name):
        if task := self.run(self.world.task_of(name)):
            self.run(self.world.end(task))

    @rule(name=NAMES)
    def batch_forgets_a_task(self, name):
        if (task := self.run(self.world.task_of(name))) and self.is_fair:
            self.run(self.world.forget_task(task))

    @rule()
    def a_node_is_lost(self):
        self.run(self.world.lose_node())

    @rule()
    def the_jobs_disappear(self):
        if self.is_fair:
            self.run(self.world.delete_jobs())

    @rule()
    def the_jobs_are_disabled(self):
        if self.is_fair:
            self.run(self.world.disable_jobs())

    @rule()
    def the_jobs_are_ended(self):
        if self.is_fair:
            self.run(self.world.close_jobs())

    @rule(weather=st.sampled_from(sorted(WEATHER)))
    def batch_is_in_trouble(self, weather):
        self.is_fair = False
        self.run(control(self.world.app.settings.batch.endpoint, "POST", "/faults", WEATHER[weather]))

    @rule()
    def batch_is_well_again(self):
        self.is_fair = True
        self.run(control(self.world.app.settings.batch.endpoint, "DELETE", "/faults"))

    # What must be true

    @invariant()
    def every_record_went_on_as_it_may(self):
        self.run(self.world.records())

    async def all_that_waits_has_a_reason(self, since: datetime) -> None:
        """See that Batch has completed what was submitted before this and has no reason."""
        for record in (await self.world.records()).values():
            if record.state is TaskState.SUBMITTED and not record.reason and record.submitted_at < since:
                assert not await self.world.is_live(record), record

    @rule()
    def all_becomes_quiet(self):
        self.batch_is_well_again()
        self.run(self.world.settle())

    def teardown(self) -> None:
        self.all_becomes_quiet()


async def _together(*work: Awaitable[None]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


async def _submit(app: App, name: str) -> None:
    await submit(app, [await app.inputs.version_of(name)], detected_by=TRIGGER)


async def _submit_by_hand(app: App, name: str, is_forced: bool) -> None:
    version = await app.inputs.version_of(name)
    if is_forced:
        await submit_again(app, version, detected_by=DetectedBy.HTTP)
    else:
        await submit(app, [version], detected_by=DetectedBy.HTTP, is_urgent=True)


@pytest.mark.timeout(120 + 10 * EXAMPLES)
async def test_whatever_happens_every_file_comes_to_one_end(events_queue, make_world, pauses):
    lived = []

    async def make_counted_world():
        lived.append(world := await make_world())
        if len(lived) % 2:
            # Every other app announces nothing, as is usual.
            world.app = app_on(replace(world.app.clients, queue=None), world.app.settings)
        return world

    life = type("Life", (Life,), {"make_world": staticmethod(make_counted_world), "loop": asyncio.get_running_loop()})
    limits = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=not IS_LONG,
        suppress_health_check=list(HealthCheck),
        # Shrinking tries hundreds of lives: only where somebody looks for a failure.
        phases=list(Phase) if IS_LONG else [Phase.generate],
    )
    # `World` asserts after every step what must be true.
    await asyncio.to_thread(run_state_machine_as_test, life, settings=limits)
    assert len(lived) >= EXAMPLES


def test_the_app_knows_the_same_arrows():
    assert {state: next_states for state, next_states in TRANSITIONS.items() if next_states} == ARROWS
