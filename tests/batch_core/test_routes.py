"""Routes at work: which takes a file, what Batch is given, and what becomes of records when the routes change."""

import asyncio
import re
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from batch_core.cancel import cancel
from batch_core.cli import provision
from batch_core.collect import collect
from batch_core.config.pools import settings_pool
from batch_core.config.route_book import RouteBook
from batch_core.errors import AccessDenied, InvalidRequest, NotNow, RoutesError, Unavailable
from batch_core.hand_over import hand_over
from batch_core.http.health import check_health
from batch_core.in_flight import IN_FLIGHT
from batch_core.intake import take, take_by_hand
from batch_core.naming import table_keys
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.services import verbatim
from batch_core.services.output_container import OutputContainer
from batch_core.services.provisioning import pool_options
from batch_core.state import transactions
from batch_core.state.record import DetectedBy, TaskState
from batch_core.submit import submit
from batch_core.sweep import sweep
from tests.batch_core.steps import (
    TRIGGER,
    collected,
    dropped,
    later,
    output,
    passed,
    record_of,
    submitted,
    tasks_of,
    with_routes,
)
from tests.batch_emulator.control_client import control, faults

TEXTS = """
[[routes]]
name = "texts"
match = "**/*.txt"
command = "/bin/bash -c 'echo text; cat \\"$INPUT_FILE\\"'"
"""
CHANGED = TEXTS.replace("echo text", "echo changed")
ELSEWHERE = "[pools.POOL]\nexisting = true\n" + TEXTS + 'pool = "POOL"\npriority = 7\n'


@pytest.fixture
async def other_pool(app):
    """Another pool with one node."""
    pool_id = f"{app.settings.pool.id}-other"
    await app.clients.batch.create_pool(pool_options(replace(settings_pool(app.settings.pool), id=pool_id, nodes=1)))
    yield pool_id
    await app.clients.batch.begin_delete_pool(pool_id)


async def task_in_batch(app, record):
    return await app.clients.batch.get_task(record.job_id, record.task_id)


async def test_the_route_that_matches_takes_a_file_and_the_settings_take_the_others(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS)
    one, other = await submitted(routed, "a/b.txt", b"1"), await submitted(routed, "b.csv", b"2")
    ends = [await collected(routed, record.task_id) for record in (one, other)]
    assert [(record.route, record.state) for record in ends] == [
        ("texts", TaskState.SUCCEEDED),
        ("settings", TaskState.SUCCEEDED),
    ]
    assert [await output(app, record.stdout) for record in ends] == [b"text\n1", b"2"]
    digests = [route.digest for route in routed.routes().routes]
    assert [record.route_digest for record in ends] == digests


async def test_batch_gets_what_a_route_says(app, other_pool, tmp_path):
    text = (
        ELSEWHERE.replace("POOL", other_pool)
        + """slots = 1
        retries = 3
        timeout = "PT2H"
        retention = "PT3H"
        run_as = "pool"
        elevated = true
        environment = { WORD = "a b", INPUT_X = "y" }
        """
    )
    record = await submitted(with_routes(app, tmp_path / "routes.toml", text))
    task, job = await task_in_batch(app, record), await app.clients.batch.get_job(record.job_id)
    assert (job.pool_info.pool_id, job.priority) == (other_pool, 7)
    assert task.required_slots == 1
    assert task.constraints.max_task_retry_count == 3
    assert task.constraints.max_wall_clock_time == timedelta(hours=2)
    assert task.constraints.retention_time == timedelta(hours=3)
    assert (task.user_identity.auto_user.scope, task.user_identity.auto_user.elevation_level) == ("pool", "admin")
    variables = {one.name: one.value for one in task.environment_settings}
    assert variables == {
        "WORD": "a b",
        "INPUT_X": "y",
        "INPUT_FILE": "input/a.txt",
        "INPUT_BLOB": "a.txt",
        "INPUT_CONTAINER": app.settings.input_container,
    }


async def test_what_a_route_says_verbatim_reaches_batch_and_the_rest_stays(app, tmp_path):
    text = (
        TEXTS
        + """
retries = 2
[routes.batch]
displayName = "%DISPLAY%"
affinityInfo = { affinityId = "tvm-1" }
"""
    )
    book = RouteBook({"DISPLAY": "a secret"}, verbatim.problems)
    routed = replace(with_routes(app, tmp_path / "routes.toml", text), route_book=book)
    record = await submitted(routed)
    task = await task_in_batch(app, record)
    assert (task.display_name, task.affinity_info.affinity_id) == ("a secret", "tvm-1")
    assert task.constraints.max_task_retry_count == 2
    assert task.constraints.max_wall_clock_time == app.settings.task.max_wall_clock_time
    assert "a secret" not in repr(routed.routes())
    assert await output(app, (await collected(routed, record.task_id)).stdout) == b"text\ntext"


async def test_a_property_that_batch_refuses_is_named_as_the_reason_and_its_value_is_not(app, tmp_path):
    # The app's jobs leave `onTaskFailure` at its default, with which Batch takes no actions on jobs.
    text = TEXTS + '\n[routes.batch]\nexitConditions = { default = { jobAction = "terminate" } }\n'
    record = await submitted(with_routes(app, tmp_path / "routes.toml", text))
    assert record.state is TaskState.REJECTED
    assert "PropertyName: exitConditions" in record.reason
    assert "Reason: " in record.reason


async def test_what_a_pool_says_verbatim_reaches_batch_and_the_rest_stays(app, tmp_path):
    pool_id = f"{app.settings.pool.id}-verbatim"
    text = f"""
[pools.{pool_id}]
nodes = 0
start_task = {{ command = "/bin/true", elevated = true }}
[pools.{pool_id}.batch]
metadata = [{{ name = "team", value = "blue" }}]
resizeTimeout = "PT20M"
startTask = {{ maxTaskRetryCount = 2, environmentSettings = [{{ name = "A", value = "1" }}] }}
virtualMachineConfiguration = {{ dataDisks = [{{ lun = 0, diskSizeGB = 10 }}] }}
"""
    resource = provision.resources(with_routes(app, tmp_path / "routes.toml", text))[-1]
    await provision.make(resource)
    pool = await app.clients.batch.get_pool(pool_id)
    assert {one.name: one.value for one in pool.metadata}["team"] == "blue"
    assert pool.resize_timeout == timedelta(minutes=20)
    assert (pool.start_task.command_line, pool.start_task.max_task_retry_count) == ("/bin/true", 2)
    assert pool.start_task.user_identity.auto_user.elevation_level == "admin"
    machine = pool.virtual_machine_configuration
    assert (machine.data_disks[0].disk_size_gb, machine.image_reference.offer) == (10, "ubuntu-24_04-lts")
    await provision.remove(resource)


async def test_tasks_of_one_pool_and_priority_share_a_job_and_others_do_not(app, other_pool, tmp_path):
    text = ELSEWHERE.replace("POOL", other_pool) + TEXTS.replace("texts", "logs").replace("txt", "log") + "priority = 7"
    routed = with_routes(app, tmp_path / "routes.toml", text)
    names = ["1.txt", "2.txt", "1.log", "2.log", "1.csv"]
    records = await submit(routed, [await dropped(app, name) for name in names], detected_by=TRIGGER)
    jobs = [one.record.job_id for one in records]
    assert [jobs.index(job) for job in jobs] == [0, 0, 2, 2, 4]


async def test_a_file_that_no_route_takes_is_ignored_if_the_routes_say_so(app, calls, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", 'unmatched = "ignore"' + TEXTS)
    version = await dropped(app, "a.csv")
    calls.clear()
    await take(routed, app.settings.input_container, version.name)
    await sweep(later(routed, minutes=5))
    assert [call for call in calls if call.service == "batch"] == []
    assert await app.table.days() == []
    with pytest.raises(NotNow, match=r"no route takes blob 'a\.csv', .*: name the route that is to take it"):
        await take_by_hand(routed, version.name, is_forced=False)


async def test_a_new_route_reaches_files_of_the_past_only_by_sweeping_all(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", 'unmatched = "ignore"' + TEXTS)
    await dropped(app, "a.csv")
    await sweep(passed(routed, hours=1))
    (tmp_path / "routes.toml").write_text(TEXTS.replace("txt", "csv"))
    assert (await sweep(passed(routed, hours=2))).submitted == 0
    assert (await sweep(passed(routed, hours=2), is_all=True)).submitted == 1


async def test_a_file_that_no_route_takes_is_rejected_if_the_routes_say_so(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", 'unmatched = "reject"' + TEXTS)
    record = await submitted(routed, "a.csv")
    assert (record.state, record.job_id, record.route) == (TaskState.REJECTED, "", None)
    assert record.reason == "no route of routes.toml matches its name, and 'unmatched' is not \"settings\""


async def test_files_wait_while_the_routes_are_wrong_and_go_on_when_they_are_mended(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS.replace("command", "comand"))
    record = await submitted(routed)
    assert (record.state, record.job_id, record.route) == (TaskState.QUEUED, "", None)
    assert "did you mean command?" in record.reason
    (check,) = [check for check in await check_health(routed) if check.name == "routes"]
    assert not check.is_ok
    assert check.detail.endswith("files wait until it is mended")
    await reconcile(later(routed, hours=1))
    assert (await record_of(app, record.task_id)).state is TaskState.QUEUED
    before = await record_of(app, record.task_id)
    await reconcile(later(routed, hours=2))
    # It is written once, and nobody is asked again and again.
    assert await record_of(app, record.task_id) == before
    (tmp_path / "routes.toml").write_text(TEXTS)
    await reconcile(routed)
    assert (await collected(routed, record.task_id)).route == "texts"


async def test_the_reason_of_many_problems_is_the_first_and_how_many_there_are(app, tmp_path):
    wrong = TEXTS.replace("command", "comand")
    routed = with_routes(app, tmp_path / "routes.toml", wrong + wrong.replace('"texts"', '"others"'))
    record = await submitted(routed)
    with pytest.raises(RoutesError) as caught:
        routed.routes()
    first, *others = caught.value.problems
    assert record.reason == f"{first}, and {len(others)} more problems: `batchdrop routes check` lists all"
    assert len(others) > 1


async def test_a_file_that_waits_for_its_route_is_cancelled_at_once(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", "[[routes]]")
    record = await submitted(routed)
    assert (await cancel(routed, record.task_id)).state is TaskState.CANCELLED


async def test_a_file_of_routes_that_the_settings_name_must_exist(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS)
    (tmp_path / "routes.toml").unlink()
    record = await submitted(routed)
    assert (record.state, "there is no file" in record.reason) == (TaskState.QUEUED, True)


async def queued_before(app, monkeypatch, name="a.txt"):
    """Leave behind a record that Batch was never reached for."""
    version = await dropped(app, name)
    with monkeypatch.context() as patch:
        patch.setattr("batch_core.submit.hand_over", never_handed_over)
        (one,) = await submit(app, [version], detected_by=TRIGGER)
    return one.record


async def never_handed_over(app, records):
    return {}


async def takes_todays(app):
    """Reconcile until a record whose route has changed takes today's."""
    await reconcile(later(app, minutes=5))
    await reconcile(later(app, seconds=IN_FLIGHT.total_seconds() + 400))


async def test_a_task_that_is_being_added_as_its_route_was_is_collected_as_that_said(app, tmp_path, monkeypatch):
    """One process has not seen that the route changed; the other looks while its call is on the way."""
    old = '[[routes]]\nname = "a"\nmatch = "**"\ncommand = "/bin/echo precious"\n'
    before = with_routes(app, tmp_path / "before.toml", old)
    today = with_routes(app, tmp_path / "today.toml", old + 'stdout = "upload"\ninput_after = "delete"\n')
    add_tasks, on_the_way = type(app.batch).add_tasks, []

    async def delayed(self, *call):
        on_the_way.append(call)
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(type(app.batch), "add_tasks", delayed)
        with pytest.raises(asyncio.CancelledError):
            await submit(before, [await dropped(app, "a.txt")], detected_by=TRIGGER)
    await reconcile(later(today, minutes=5))
    await add_tasks(app.batch, *on_the_way[0])
    await reconcile(later(today, seconds=IN_FLIGHT.total_seconds() + 400))
    (task,) = [task for _, task in await tasks_of(app)]
    end = await collected(today, task)
    assert (end.state, end.route_digest) == (TaskState.SUCCEEDED, before.routes().routes[0].digest)
    assert await output(app, end.stdout) == b"precious\n"


async def test_what_batch_has_already_stays_as_it_was_pinned(app, tmp_path, monkeypatch):
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS)
    record = await submitted(routed)
    stored = await app.table.get(record.task_id)
    queued = replace(stored, record=replace(record, state=TaskState.QUEUED))
    (tmp_path / "routes.toml").write_text(CHANGED)
    done = await hand_over(routed, [queued])
    assert done[record.task_id].route_digest == record.route_digest
    assert await output(app, (await collected(routed, record.task_id)).stdout) == b"text\ntext"


async def test_what_batch_does_not_have_takes_todays_route_and_says_what_took_it_before(app, tmp_path, monkeypatch):
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS)
    record = await queued_before(routed, monkeypatch)
    (tmp_path / "routes.toml").write_text(CHANGED)
    await takes_todays(routed)
    end = await collected(routed, record.task_id)
    assert await output(app, end.stdout) == b"changed\ntext"
    assert (end.route_before, end.job_id) == (f"texts {record.route_digest}", record.job_id)
    assert end.route_digest == routed.routes().routes[0].digest


async def test_a_record_goes_to_another_pool_only_when_nobody_can_be_adding_it_to_the_old_one(
    app, other_pool, tmp_path, monkeypatch
):
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS)
    record = await queued_before(routed, monkeypatch)
    (tmp_path / "routes.toml").write_text(ELSEWHERE.replace("POOL", other_pool))
    await reconcile(later(routed, minutes=5))
    marked = await record_of(app, record.task_id)
    assert (marked.state, marked.job_id, marked.route_digest) == (
        TaskState.QUEUED,
        record.job_id,
        record.route_digest,
    )
    assert marked.reason.startswith("its route is another one now")
    # Nobody else hands it over either, whatever its routes say.
    (tmp_path / "before.toml").write_text(TEXTS)
    before = with_routes(app, tmp_path / "before.toml", TEXTS)
    await hand_over(before, [await app.table.get(record.task_id)])
    assert (await record_of(app, record.task_id)).state is TaskState.QUEUED
    await reconcile(later(routed, seconds=IN_FLIGHT.total_seconds() + 400))
    end = await collected(routed, record.task_id)
    assert (end.state, end.rerouted_at, end.route_before) == (
        TaskState.SUCCEEDED,
        None,
        f"texts {record.route_digest}",
    )
    assert (await app.clients.batch.get_job(end.job_id)).pool_info.pool_id == other_pool
    assert len([task for _, task in await tasks_of(app) if task == record.task_id]) == 0


async def test_a_record_of_an_older_release_takes_todays_route(app, tmp_path, monkeypatch):
    record = await queued_before(app, monkeypatch)
    keys = table_keys(record.task_id)
    row = {"PartitionKey": keys.partition, "RowKey": keys.row, "route": "", "route_digest": ""}
    await app.table._client.update_entity(row)
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS)
    await takes_todays(routed)
    end = await collected(routed, record.task_id)
    assert (end.route, end.route_before, end.job_id) == ("texts", None, record.job_id)


async def test_a_person_may_choose_a_route_and_no_command(app, tmp_path):
    text = 'unmatched = "ignore"' + TEXTS
    routed = with_routes(app, tmp_path / "routes.toml", text)
    await dropped(app, "a.csv", b"1")
    with pytest.raises(InvalidRequest, match="did you mean texts"):
        await take_by_hand(routed, "a.csv", is_forced=False, route="text")
    one = await take_by_hand(routed, "a.csv", is_forced=False, route="texts")
    assert (one.record.route, one.record.is_route_chosen, one.record.detected_by) == ("texts", True, DetectedBy.HTTP)
    end = await collected(routed, one.record.task_id)
    again = await retry(routed, end.task_id)
    assert (again.record.route, again.record.is_route_chosen, again.record.route_before) == ("texts", True, None)


async def test_a_retry_takes_todays_route_and_says_what_took_the_first(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS)
    first = await collected(routed, (await submitted(routed)).task_id)
    (tmp_path / "routes.toml").write_text(CHANGED)
    second = (await retry(routed, first.task_id)).record
    end = await collected(routed, second.task_id)
    assert await output(app, end.stdout) == b"changed\ntext"
    assert end.route_before == f"texts {first.route_digest}"


async def test_a_chosen_route_that_is_gone_is_said(app, tmp_path, monkeypatch):
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS)
    await dropped(app, "a.csv")
    with monkeypatch.context() as patch:
        patch.setattr("batch_core.submit.hand_over", never_handed_over)
        record = (await take_by_hand(routed, "a.csv", is_forced=False, route="texts")).record
    (tmp_path / "routes.toml").write_text(TEXTS.replace("texts", "other"))
    await reconcile(later(routed, minutes=5))
    await reconcile(later(routed, seconds=IN_FLIGHT.total_seconds() + 400))
    end = await record_of(app, record.task_id)
    assert (end.state, end.reason) == (
        TaskState.REJECTED,
        "the route 'texts', which was chosen for it, is not in routes.toml any more",
    )


async def test_naming_a_route_while_they_are_wrong_is_answered_with_what_is_wrong(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", "[[routes]]")
    with pytest.raises(RoutesError, match=r"routes\.toml, route 1 has no name"):
        await take_by_hand(routed, "a.csv", is_forced=False, route="texts")


async def test_health_names_routes_and_checks_every_pool(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", ELSEWHERE.replace("POOL", "no-such-pool"))
    checks = {check.name: check for check in await check_health(routed)}
    assert checks["routes"].detail == "routes.toml: texts; unmatched: settings"
    assert (checks["pool no-such-pool"].is_ok, checks["pool no-such-pool"].detail) == (
        False,
        "there is no pool 'no-such-pool': it is to exist already",
    )
    assert "routes" not in {check.name for check in await check_health(app)}


async def test_a_route_costs_no_call(app, calls, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", TEXTS)
    await submitted(routed, "first.txt")
    versions = [await dropped(app, f"{number}.txt") for number in range(20)]
    calls.clear()
    await submit(routed, versions, detected_by=TRIGGER)
    with_one = len(calls)
    calls.clear()
    await submit(app, [await dropped(app, f"{number}.csv") for number in range(20)], detected_by=TRIGGER)
    assert with_one <= len(calls)


async def test_setup_makes_the_pools_of_the_file_and_teardown_removes_them(app, other_pool, tmp_path):
    pool_id = f"{app.settings.pool.id}-images"
    text = f"""
        [pools.{other_pool}]
        existing = true
        [pools.{pool_id}]
        nodes = 0
        slots_per_node = 4
        fill = "pack"
        start_task = {{ command = "/bin/true", elevated = true }}
        inter_node = true
    """
    routed = with_routes(app, tmp_path / "routes.toml", text)
    resources = provision.resources(routed)
    assert [one.description for one in resources[3:]] == [f"pool {app.settings.pool.id}", f"pool {pool_id}"]
    assert await provision.make(resources[-1])
    pool = await app.clients.batch.get_pool(pool_id)
    assert (pool.target_dedicated_nodes, pool.task_slots_per_node) == (0, 4)
    assert pool.task_scheduling_policy.node_fill_type.lower() == "pack"
    assert (pool.start_task.command_line, pool.start_task.user_identity.auto_user.elevation_level) == (
        "/bin/true",
        "admin",
    )
    assert pool.enable_inter_node_communication
    assert await provision.remove(resources[-1])
    assert await pool_ids(app) >= {other_pool}
    assert pool_id not in await pool_ids(app)


async def pool_ids(app):
    return {pool.id async for pool in app.clients.batch.list_pools()}


async def test_a_pool_whose_end_cannot_be_seen_is_not_said_to_be_gone(app, tmp_path):
    text = f"[pools.{app.settings.pool.id}-unseen]\nnodes = 0\n"
    pool = provision.resources(with_routes(app, tmp_path / "routes.toml", text))[-1]
    await provision.make(pool)
    refusal = {"operation": "get_pool", "answer": {"status": 403, "code": "AuthenticationFailed"}}
    async with faults(app.settings.batch.endpoint, refusal):
        with pytest.raises(AccessDenied, match="deleting pool"):
            await provision.remove(pool)


async def test_a_pool_with_a_formula_is_scaled_by_batch(app, tmp_path):
    pool_id = f"{app.settings.pool.id}-formula"
    routed = with_routes(app, tmp_path / "routes.toml", f'[pools.{pool_id}]\nformula = "$TargetDedicatedNodes = 1;"')
    resource = provision.resources(routed)[-1]
    await provision.make(resource)
    pool = await app.clients.batch.get_pool(pool_id)
    assert (pool.enable_auto_scale, pool.auto_scale_formula) == (True, "$TargetDedicatedNodes = 1;")
    await provision.remove(resource)


MAKES_FILES = """
[[routes]]
name = "makes"
match = "**"
command = "/bin/bash -c 'mkdir -p a/b c; for f in {a/b,c}/two.csv one.txt; do echo $f >$f; done; exit $(<input/*)'"
outputs = ["one.txt", "a/**/*.csv", "./c/*"]
"""


async def blobs_below(app, folder):
    container = app.clients.blobs.get_container_client(app.settings.output_container)
    names = [name async for name in container.list_blob_names(name_starts_with=folder)]
    return {name.removeprefix(folder): await output(app, name) for name in names}


async def test_a_node_uploads_the_files_that_a_command_makes(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", MAKES_FILES)
    end = await collected(routed, (await submitted(routed, "ä ö/x.txt", b"0")).task_id)
    assert (end.state, end.files) == (TaskState.SUCCEEDED, f"ä ö/x.txt/{end.task_id}/files/")
    assert await blobs_below(app, end.files) == {
        "one.txt": b"one.txt\n",
        "a/b/two.csv": b"a/b/two.csv\n",
        "c/two.csv": b"c/two.csv\n",
    }


@pytest.mark.parametrize(("when", "expected"), [("success", 0), ("failure", 3), ("completion", 3)])
async def test_files_of_a_failed_command_are_uploaded_as_the_route_says(app, tmp_path, when, expected):
    routed = with_routes(app, tmp_path / "routes.toml", MAKES_FILES + f'outputs_on = "{when}"')
    end = await collected(routed, (await submitted(routed, "x.txt", b"3")).task_id)
    assert (end.state, end.exit_code) == (TaskState.FAILED, 3)
    assert len(await blobs_below(app, end.files)) == expected


async def test_a_file_that_cannot_be_uploaded_is_a_failure_with_its_name_and_no_success(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", MAKES_FILES)
    elsewhere = replace(routed, outputs=OutputContainer(app.clients.blobs, "no-such-container", app.inputs._signer))
    end = await collected(routed, (await submitted(elsewhere, "x.txt", b"0")).task_id)
    assert (end.state, end.exit_code, end.failure_code) == (TaskState.FAILED, 0, "FileUploadContainerNotFound")
    assert end.reason.startswith("FileUploadContainerNotFound: ")
    assert await output(app, end.stdout) == b""


async def test_the_node_may_add_outputs_and_nothing_else(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", MAKES_FILES)
    record = await submitted(routed, "x.txt", b"0")
    first, *_ = (await task_in_batch(app, record)).output_files
    url = first.destination.container.container_url
    rights = parse_qs(urlsplit(url).query)
    assert (rights["sp"], rights["sr"]) == (["cw"], ["c"])
    lifetime = app.settings.task.input_sas_lifetime + app.settings.task.max_wall_clock_time
    assert datetime.fromisoformat(rights["se"][0]) >= app.now() + lifetime


async def test_resources_come_with_the_file(app, tmp_path):
    tools = app.clients.blobs.get_container_client(app.settings.input_container)
    await tools.upload_blob("v1/tool.sh", b"echo tool")
    base, sas = tools.url, await app.inputs.sas_url("v1/tool.sh", timedelta(hours=1))
    text = f"""
[[routes]]
name = "tools"
match = "*.txt"
command = "/bin/bash tools/tool.sh"
resources = [{{ url = "{base}/v1/tool.sh?%TOOL_SAS%", path = "tools/tool.sh" }}]
"""
    env = {"TOOL_SAS": sas.partition("?")[2]}
    routed = replace(with_routes(app, tmp_path / "routes.toml", text), route_book=RouteBook(env, verbatim.problems))
    end = await collected(routed, (await submitted(routed, "x.txt")).task_id)
    assert (end.state, await output(app, end.stdout)) == (TaskState.SUCCEEDED, b"tool\n")
    assert "sig=" not in repr(routed.routes())


async def test_a_command_runs_in_a_container_where_there_are_any(app, tmp_path):
    pool_id = f"{app.settings.pool.id}-containers"
    text = f"""
[[routes]]
name = "contained"
match = "**"
command = ""
image = "registry.example.io/tool:1.2"
image_options = "--network none"
pool = "{pool_id}"
[pools.{pool_id}]
nodes = 1
container_images = ["registry.example.io/tool:1.2"]
"""
    routed = with_routes(app, tmp_path / "routes.toml", text)
    resource = provision.resources(routed)[-1]
    await provision.make(resource)
    machine = (await app.clients.batch.get_pool(pool_id)).virtual_machine_configuration
    assert machine.image_reference.offer == "ubuntu-hpc"
    assert machine.container_configuration.container_image_names == ["registry.example.io/tool:1.2"]
    record = await submitted(routed)
    container = (await task_in_batch(app, record)).container_settings
    assert (container.image_name, container.container_run_options) == ("registry.example.io/tool:1.2", "--network none")
    # The emulator has no containers: what matters is that the failure is reported as the service's.
    end = await collected(routed, record.task_id)
    assert (end.state, end.exit_code) == (TaskState.FAILED, None)
    assert end.failure_code
    await provision.remove(resource)


async def test_a_blobs_metadata_reaches_the_command(app, tmp_path):
    text = re.sub("echo text; .*'\"", "env | grep ^INPUT_METADATA | sort'\"", TEXTS)
    assert text != TEXTS
    routed = with_routes(app, tmp_path / "routes.toml", text)
    blob = app.clients.blobs.get_blob_client(app.settings.input_container, "a.txt")
    await blob.upload_blob(b"x", metadata={"Customer": 'Ada $(id) "; rm', "size": "l" * 3000})
    (one,) = await submit(routed, [await app.inputs.version_of("a.txt")], detected_by=TRIGGER)
    end = await collected(routed, one.record.task_id)
    printed = f'INPUT_METADATA_CUSTOMER=Ada $(id) "; rm\nINPUT_METADATA_SIZE={"l" * 3000}\n'
    assert await output(app, end.stdout) == printed.encode()


PRINTS = """
[[routes]]
name = "prints"
match = "**"
command = "/bin/bash -c 'echo out; echo err >&2; exit $(cat \\"$INPUT_FILE\\")'"
stdout = "upload"
"""


async def completed(app, record):
    """Wait until Batch has completed a task; return it."""
    async with asyncio.timeout(30):
        while (task := await app.batch.current_task(record.job_id, record.task_id)).state != "completed":
            await asyncio.sleep(0.05)
    return task


@pytest.mark.parametrize(("code", "state"), [(b"0", TaskState.SUCCEEDED), (b"3", TaskState.FAILED)])
async def test_a_node_uploads_what_a_command_prints(app, tmp_path, calls, code, state):
    routed = with_routes(app, tmp_path / "routes.toml", PRINTS)
    record = await submitted(routed, "x.txt", code)
    await completed(app, record)
    calls.clear()
    end = await collected(routed, record.task_id)
    assert (end.state, end.exit_code) == (state, int(code))
    assert [await output(app, name) for name in (end.stdout, end.stderr)] == [b"out\n", b"err\n"]
    assert end.stderr_end == (None if state is TaskState.SUCCEEDED else "err")
    # Of a failed one the end of stderr alone is read.
    read = [call for call in calls if call.service == "batch" and "/files/" in call.path]
    assert [call.path.rpartition("/")[2] for call in read if call.path.endswith("stdout.txt")] == []
    assert bool(read) == (state is TaskState.FAILED)
    blob = app.clients.blobs.get_blob_client(app.settings.output_container, end.stdout)
    assert (await blob.get_blob_properties()).content_settings.content_type == "text/plain"


async def test_a_node_that_vanishes_after_its_upload_loses_nothing(app, batch_endpoint, other_pool, tmp_path):
    text = f'[pools.{other_pool}]\nexisting = true\n{PRINTS}pool = "{other_pool}"\n'
    routed = with_routes(app, tmp_path / "routes.toml", text)
    record = await submitted(routed, "x.txt", b"0")
    task = await completed(app, record)
    assert (await control(batch_endpoint, "POST", f"/pools/{other_pool}/nodes/{task.node_id}/lose")).status == 204
    end = await collected(routed, record.task_id)
    assert (end.state, await output(app, end.stdout)) == (TaskState.SUCCEEDED, b"out\n")


async def test_what_could_not_be_uploaded_is_copied_and_the_exit_code_decides(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", PRINTS)
    elsewhere = replace(routed, outputs=OutputContainer(app.clients.blobs, "no-such-container", app.inputs._signer))
    records = [await submitted(elsewhere, f"{code}.txt", str(code).encode()) for code in (0, 3)]
    ends = [await collected(routed, record.task_id) for record in records]
    assert [(end.state, end.exit_code, end.failure_code) for end in ends] == [
        (TaskState.SUCCEEDED, 0, None),
        (TaskState.FAILED, 3, None),
    ]
    assert [await output(app, end.stdout) for end in ends] == [b"out\n", b"out\n"]


async def test_the_output_of_a_task_that_was_ended_is_copied(app, tmp_path):
    printed = tmp_path / "printed"
    text = PRINTS.replace("exit $(cat", f"touch {printed}; sleep 60; exit $(cat")
    routed = with_routes(app, tmp_path / "routes.toml", text)
    record = await submitted(routed, "x.txt", b"0")
    async with asyncio.timeout(30):
        while not printed.exists():
            await asyncio.sleep(0.05)
    await cancel(routed, record.task_id)
    end = await collected(routed, record.task_id)
    assert (end.state, await output(app, end.stdout)) == (TaskState.CANCELLED, b"out\n")


DELETES = MAKES_FILES.replace('name = "makes"', 'name = "deletes"\ninput_after = "delete"')


async def names_in(app):
    container = app.clients.blobs.get_container_client(app.settings.input_container)
    return [name async for name in container.list_blob_names()]


async def test_a_file_is_deleted_when_it_has_succeeded_and_never_otherwise(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", DELETES)
    good, bad = await submitted(routed, "good.txt", b"0"), await submitted(routed, "bad.txt", b"3")
    ends = [await collected(routed, record.task_id) for record in (good, bad)]
    assert [end.state for end in ends] == [TaskState.SUCCEEDED, TaskState.FAILED]
    assert await names_in(app) == ["bad.txt"]
    assert (await sweep(passed(routed, minutes=30))).submitted == 0


async def test_a_file_whose_command_made_none_of_the_files_to_upload_is_not_deleted(app, tmp_path, caplog):
    text = DELETES.replace('outputs = ["one.txt", "a/**/*.csv", "./c/*"]', 'outputs = ["a", "*.none"]')
    routed = with_routes(app, tmp_path / "routes.toml", text)
    end = await collected(routed, (await submitted(routed, "a.txt", b"0")).task_id)
    assert (end.state, await blobs_below(app, end.files)) == (TaskState.SUCCEEDED, {})
    assert await names_in(app) == ["a.txt"]
    assert "is not deleted: its command made no file to upload" in caplog.text


async def test_a_file_with_snapshots_is_not_deleted_since_they_would_go_with_it(app, tmp_path, caplog):
    routed = with_routes(app, tmp_path / "routes.toml", DELETES)
    await dropped(app, "a.txt", b"older")
    await app.clients.blobs.get_blob_client(app.settings.input_container, "a.txt").create_snapshot()
    end = await collected(routed, (await submitted(routed, "a.txt", b"0")).task_id)
    assert end.state is TaskState.SUCCEEDED
    assert await names_in(app) == ["a.txt"]
    assert "is not deleted: " in caplog.text
    assert "SnapshotsPresent" in caplog.text


async def test_a_file_is_deleted_though_the_reply_to_its_closing_was_lost(app, tmp_path, monkeypatch):
    routed = with_routes(app, tmp_path / "routes.toml", DELETES)
    record = await submitted(routed, "a.txt", b"0")
    await completed(app, record)
    send = transactions._send

    async def lost(client, operations):
        replies = await send(client, operations)
        if any(operation[0] == "delete" for operation in operations):
            raise Unavailable("writing to the table", detail="the reply was lost")
        return replies

    with monkeypatch.context() as patch:
        patch.setattr(transactions, "_send", lost)
        await collect(routed)
    assert await names_in(app) == ["a.txt"]
    await routed.table.settle()
    await collect(routed)
    assert await names_in(app) == []


async def test_a_file_that_has_changed_since_is_not_deleted(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", DELETES)
    record = await submitted(routed, "a.txt", b"0")
    await completed(app, record)
    newer = await dropped(app, "a.txt", b"3")
    assert (await collected(routed, record.task_id)).state is TaskState.SUCCEEDED
    assert await app.inputs.version_of("a.txt") == newer


async def test_a_file_that_cannot_be_deleted_changes_nothing_else(app, tmp_path, monkeypatch, caplog):
    routed = with_routes(app, tmp_path / "routes.toml", DELETES)
    record = await submitted(routed, "a.txt", b"0")

    async def unavailable(*_):
        raise Unavailable("deleting")

    monkeypatch.setattr(type(app.inputs), "delete", unavailable)
    assert (await collected(routed, record.task_id)).state is TaskState.SUCCEEDED
    assert await names_in(app) == ["a.txt"]
    assert "is not deleted: deleting failed" in caplog.text
