"""`batchdrop cancel` and `retry` with filters, `pause` and `resume`: what is done to many files at once."""

import getpass

import pytest

from batch_core.cli import questions, selecting
from batch_core.errors import Unavailable
from batch_core.state import pauses
from batch_core.state.record import TaskState
from tests.batch_core.steps import collected, record_of, submitted, tasks_of, with_command


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(selecting, "POLL_SECONDS", 0.05)
    # A pause is seen at once.
    monkeypatch.setattr(pauses, "FRESH_FOR", 0.0)


@pytest.fixture
def answer(monkeypatch):
    """Have somebody answer so."""

    def give(text):
        monkeypatch.setattr(questions, "can_be_asked", lambda: True)
        monkeypatch.setattr(selecting, "can_be_asked", lambda: True)
        monkeypatch.setattr("builtins.input", lambda: text)

    return give


async def failed(app, *names):
    bad = with_command(app, "/bin/false")
    return [await collected(bad, (await submitted(bad, name)).task_id) for name in names]


async def test_all_that_fit_are_counted_then_asked_about_then_retried(app, batchdrop, answer):
    records = await failed(app, "a/1", "a/2", "b/1")
    fitting = ["retry", "--state", "failed", "--prefix", "a/"]
    counted = await batchdrop(*fitting, "--dry-run")
    assert (counted.code, counted.text, counted.err) == (0, "2 tasks\n", "")
    assert (await batchdrop(*fitting, "--dry-run", "--json")).documents == [{"count": 2, "is_all": True}]
    answer("no")
    refused = await batchdrop(*fitting)
    assert (refused.code, refused.out, refused.err) == (0, b"", "Retry 2 tasks? [y/N] Nothing was retried.\n")
    answer("y")
    done = await batchdrop(*fitting)
    assert (done.code, done.text) == (0, "2 tasks retried\n")
    again = [(await record_of(app, record.task_id)).retried_as for record in records]
    assert [identity is not None for identity in again] == [True, True, False]
    assert (await record_of(app, again[0])).asked_by == getpass.getuser()
    none = await batchdrop(*fitting)
    assert (none.code, none.out, none.err) == (0, b"", "no such task\n")


async def test_without_a_terminal_nothing_is_done_unless_yes_is_said(app, batchdrop):
    record = await submitted(with_command(app, "/bin/sleep 600"))
    fitting = ["cancel", "--state", "queued,submitted"]
    unsaid = await batchdrop(*fitting)
    assert (unsaid.code, unsaid.out) == (2, b"")
    assert unsaid.err.startswith("Nothing was cancelled: 1 task would be, and there is no terminal to ask at.")
    assert (await record_of(app, record.task_id)).cancel_requested_at is None
    done = await batchdrop(*fitting, "--yes", "--json")
    (document,) = done.documents
    assert (document["action"], document["done"], document["finished_at"] is None) == ("cancel", 1, False)
    assert (await collected(app, record.task_id)).state is TaskState.CANCELLED


async def test_nobody_answers(app, batchdrop, answer, monkeypatch):
    await failed(app, "a")
    answer("")

    def closed():
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    done = await batchdrop("retry", "--state", "failed")
    assert done.code == 1
    assert done.err == "Retry 1 task? [y/N] \nNothing was retried: there was no answer.\n"
    assert len(await tasks_of(app)) == 1


async def test_one_that_cannot_be_retried_is_told_and_makes_the_exit_code_1(app, batchdrop):
    records = await failed(app, "a", "b")
    await app.clients.blobs.get_blob_client(app.settings.input_container, "a").delete_blob()
    done = await batchdrop("retry", "--state", "failed", "--yes")
    assert (done.code, done.text) == (1, "1 task retried\n")
    assert done.err.splitlines()[-1].startswith(f"1 task could not be; the last one: {records[0].task_id}: ")


async def test_a_service_that_is_away_for_a_while_is_waited_for(app, batchdrop, monkeypatch):
    await failed(app, "a", "b")
    carried_out, calls = selecting.carried_out, []

    async def away(*arguments):
        calls.append(arguments)
        if len(calls) < 3:
            raise Unavailable("reading the table")
        async for selection in carried_out(*arguments):
            yield selection

    monkeypatch.setattr(selecting, "carried_out", away)
    done = await batchdrop("retry", "--state", "failed", "--yes")
    assert (done.code, done.text) == (0, "2 tasks retried\n")
    assert done.err == "reading the table failed; waiting...\n"


async def test_while_nothing_answers_it_waits_and_asks_again(app, batchdrop, monkeypatch):
    """A table that is away when another process is at it, too."""
    await failed(app, "a")
    carried_out, calls = selecting.carried_out, []

    async def away(*arguments):
        calls.append(arguments)
        if len(calls) < 3:
            return
        async for selection in carried_out(*arguments):
            yield selection

    async def gone(self, selection_id):
        raise Unavailable("reading a selection")

    monkeypatch.setattr(selecting, "carried_out", away)
    monkeypatch.setattr(type(app.selections), "get", gone)
    done = await batchdrop("retry", "--state", "failed", "--yes")
    assert (done.code, done.text, len(calls)) == (0, "1 task retried\n", 3)
    assert "reading a selection failed; waiting...\n" in done.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["retry"], "say which tasks: their ids, or --state and other filters"),
        (["cancel", "--dry-run"], "say which tasks: their ids, or --state and other filters"),
        (["retry", "x", "--state", "failed"], "by their ids or by filters"),
        (["cancel", "x", "--yes"], "by their ids or by filters"),
        (["retry", "--prefix", "a/"], "--state is missing: say which tasks are meant, such as failed"),
        (["cancel", "--route", "r"], "--state is missing: say which tasks are meant, such as queued,submitted"),
        (["cancel", "--state", "failed"], "only queued and submitted tasks can be cancelled"),
        (["retry", "--state", "submitted"], "queued and submitted tasks have not ended"),
        (["retry", "--state", "failed", "--route", ""], "--route is empty: leave it out to mean all"),
        (["cancel", "--state", "queued", "--prefix", ""], "--prefix is empty: leave it out to mean all"),
        (["retry", "--state", "broken"], "--state is 'broken': it must be one of queued"),
        (
            ["retry", "--state", "failed", "--day", "tomorrow"],
            "--day is 'tomorrow': it must be a day such as 2026-11-30",
        ),
    ],
)
async def test_what_does_not_say_which_tasks_are_meant_is_refused(batchdrop, arguments, problem):
    done = await batchdrop(*arguments)
    assert (done.code, done.out) == (2, b"")
    assert problem in done.err


async def test_the_intake_is_paused_and_resumed(app, batchdrop):
    who = getpass.getuser()
    done = await batchdrop("pause")
    assert done.code == 0
    assert done.text.startswith("paused      the intake, since 20")
    assert done.text.endswith(f" UTC, by {who}\n")
    waiting = await submitted(app)
    assert waiting.reason.startswith(f"the intake has been paused by {who} since")
    assert done.text in (await batchdrop("summary")).text
    (document,) = (await batchdrop("pause", "--json")).documents
    assert (document["intake"]["asked_by"], document["routes"]) == (who, {})
    done = await batchdrop("resume")
    assert (done.code, done.text, done.err) == (0, "resumed: the intake\n", "")
    assert (await batchdrop("resume")).text == "nothing was paused\n"
    assert (await batchdrop("resume", "--json")).documents == [{"intake": None, "routes": {}}]


async def test_a_route_is_paused_and_one_that_does_not_exist_is_not(app, batchdrop):
    done = await batchdrop("pause", "settings")
    assert done.text.startswith("paused      route settings, since 20")
    for command in ("pause", "resume"):
        wrong = await batchdrop(command, "setting")
        assert (wrong.code, wrong.out) == (2, b"")
        assert wrong.err.splitlines()[-1] == "  'route' is 'setting', which is no route: did you mean settings?"
    assert (await app.pauses.current()).routes.keys() == {"settings"}
    assert (await batchdrop("resume", "settings")).code == 0
    # Once more changes nothing.
    assert (await batchdrop("resume", "settings")).code == 0


async def test_pauses_are_listed_and_a_resume_says_what_goes_on_and_what_does_not(app, batchdrop):
    none = await batchdrop("pauses")
    assert (none.code, none.out, none.err) == (0, b"", "nothing is paused\n")
    for route in ([], ["settings"]):
        await batchdrop("pause", *route)
    done = await batchdrop("pauses")
    assert [line.partition(", since 20")[0] for line in done.lines] == [
        "paused      the intake",
        "paused      route settings",
    ]
    (document,) = (await batchdrop("pauses", "--json")).documents
    assert (document["intake"]["asked_by"], document["routes"].keys()) == (getpass.getuser(), {"settings"})
    assert (await batchdrop("resume")).text == "resumed: the intake; still paused: route settings\n"
    assert (await batchdrop("resume")).text == "the intake was not paused; still paused: route settings\n"
    await batchdrop("pause")
    assert (await batchdrop("resume", "--all")).text == "resumed: the intake, route settings\n"
    assert (await batchdrop("resume", "--all")).text == "nothing was paused\n"
    wrong = await batchdrop("resume", "settings", "--all")
    assert (wrong.code, wrong.err.splitlines()[-1]) == (
        2,
        "batchdrop: error: --all ends every pause: leave out 'settings'",
    )
