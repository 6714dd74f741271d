import json
import re
import time

import aiohttp
import pytest
from azure.batch.aio import BatchClient
from azure.batch.models import BatchTaskCreateOptions
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from batch_emulator.server import running
from batch_emulator.settings import Settings
from tests.batch_emulator.conftest import CREDENTIAL, Batch
from tests.batch_emulator.control_client import control, faults
from tests.batch_emulator.execution.test_process import emulator, start
from tests.batch_emulator.signed import send, values


@pytest.fixture(scope="module")
async def url():
    """An emulator of its own: rules on every operation would hit other tests."""
    async with running(Settings(port=0)) as address:
        yield address


@pytest.fixture(scope="module")
async def batch(url):

    async with BatchClient(url, CREDENTIAL, retry_total=0) as client:
        yield Batch(client)


async def statuses(url, number, method="GET", path="/jobs"):
    return [(await send(url, method, path)).status for _ in range(number)]


async def test_a_rule_answers_in_the_services_shape_and_names_itself(url, batch):
    answer = {"status": 503, "message": "Not now.", "retryAfter": 7}
    async with faults(url, {"id": "busy", "operation": "list_jobs", "answer": answer}):
        refused = await send(url, "GET", "/jobs")
        assert (refused.status, refused.body["code"], refused.headers["Retry-After"]) == (503, "ServerBusy", "7")
        assert refused.body["message"]["value"].startswith("Not now.\nRequestId:")
        assert values(refused) == {"EmulatorFault": "busy"}
        with pytest.raises(HttpResponseError) as caught:
            assert [job async for job in batch.client.list_jobs()] == []
        assert (caught.value.status_code, caught.value.error.code) == (503, "ServerBusy")
        assert (await send(url, "GET", "/pools")).status == 200
    assert (await send(url, "GET", "/jobs")).status == 200


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ({"status": 429}, 429, "TooManyRequests"),
        ({"status": 500}, 500, "InternalError"),
        ({"code": "JobNotFound"}, 404, "JobNotFound"),
        ({"status": 409, "code": "SomethingNew"}, 409, "SomethingNew"),
        ({"status": 400, "code": "ConditionNotMet"}, 400, "ConditionNotMet"),
    ],
)
async def test_code_and_status_imply_each_other(url, answer, status, code):
    async with faults(url, {"operation": "*", "answer": answer}):
        refused = await send(url, "GET", "/jobs")
    assert (refused.status, refused.body["code"]) == (status, code)


async def test_a_request_that_a_rule_refuses_is_not_executed(url, batch, idle_job):
    async with faults(url, {"operation": "create_task", "answer": {"status": 500}}):
        with pytest.raises(HttpResponseError, match="InternalError"):
            await batch.task(idle_job, "true")
    assert [task async for task in batch.client.list_tasks(idle_job)] == []


async def test_a_connection_is_cut_before_the_request_is_executed(url, batch, idle_job):
    async with faults(url, {"operation": "create_task", "cut": True}) as struck:
        with pytest.raises(ServiceRequestError):
            await batch.task(idle_job, "true")
        assert await struck() == [1]
    assert [task async for task in batch.client.list_tasks(idle_job)] == []


@pytest.mark.parametrize("effect", [{"cut": True}, {"answer": {"status": 500}}])
async def test_the_nasty_case_a_request_is_executed_and_its_answer_lost(url, batch, idle_job, effect):
    async with faults(url, {"operation": "create_task", "when": "after", **effect}):
        with pytest.raises((ServiceRequestError, HttpResponseError)):
            await batch.task(idle_job, "true")
    assert [task.id async for task in batch.client.list_tasks(idle_job)] == ["task"]


async def test_a_refusal_of_the_service_can_be_lost_too(url):
    async with faults(url, {"operation": "get_job", "when": "after", "cut": True}):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await send(url, "GET", "/jobs/missing")


async def test_a_cut_after_a_download_leaves_no_mistaken_answer(url, batch, caplog):
    job = await batch.job(await batch.ready_pool(1))
    await batch.run(job, "/bin/echo hello")
    async with faults(url, {"operation": "download_task_file", "when": "after", "answer": {"status": 500}}):
        answer = await send(url, "GET", f"/jobs/{job}/tasks/task/files/stdout.txt")
    assert (answer.status, answer.body) == (200, b"hello\n")
    assert caplog.records == []


async def test_a_delay_comes_before_what_the_next_rule_does(url):
    slow = {"operation": "list_jobs", "delay": 0.2}
    async with faults(url, slow, {"operation": "list_jobs", "answer": {"status": 429}}) as struck:
        began = time.monotonic()
        assert await statuses(url, 1) == [429]
        assert time.monotonic() - began >= 0.2
        assert await struck() == [1, 1]


async def test_rules_strike_after_some_requests_and_a_number_of_times(url):
    async with faults(url, {"operation": "list_jobs", "skip": 2, "times": 3, "answer": {"status": 500}}) as struck:
        assert await statuses(url, 7) == [200, 200, 500, 500, 500, 200, 200]
        assert await struck() == [3]


async def test_a_seed_makes_chance_repeatable(url):
    rule = {"id": "dice", "operation": "list_jobs", "probability": 0.5, "seed": 7, "answer": {"status": 500}}
    async with faults(url, rule):
        first = await statuses(url, 20)
        await control(url, "POST", "/faults", rule)
        assert await statuses(url, 20) == first
    assert set(first) == {200, 500}


async def test_a_seed_that_was_not_given_is_reported(url):
    async with faults(url, {"operation": "list_jobs", "probability": 0.5, "answer": {"status": 500}}):
        (rule,) = (await control(url, "GET", "/faults")).body["faults"]
        first = await statuses(url, 20)
        again = {name: value for name, value in rule.items() if name not in {"matched", "struck"}}
        await control(url, "POST", "/faults", again)
        assert await statuses(url, 20) == first


async def test_rules_match_by_method_and_path(url):
    async with faults(url, {"method": "GET", "path": "/jobs/Night", "answer": {"status": 500}}):
        assert (await send(url, "GET", "/jobs/nightly-1")).status == 500
        assert (await send(url, "GET", "/jobs/n%69ghtly-1")).status == 500
        assert (await send(url, "GET", "/jobs/daily")).status == 404
        assert (await send(url, "DELETE", "/jobs/nightly-1")).status == 404


async def test_items_of_a_collection_fail_one_by_one(url, batch, idle_job):
    tasks = [{"id": f"t{number}", "commandLine": "true"} for number in range(4)]
    rule = {"operation": "create_task_collection", "items": {"status": 503}, "skip": 1, "times": 2}
    async with faults(url, rule):
        answer = await send(url, "POST", f"/jobs/{idle_job}/addtaskcollection", body={"value": tasks})
    assert answer.status == 200
    assert [item["status"] for item in answer.body["value"]] == ["Success", "servererror", "servererror", "Success"]
    assert answer.body["value"][1]["error"]["code"] == "ServerBusy"
    assert [task.id async for task in batch.client.list_tasks(idle_job)] == ["t0", "t3"]


async def test_the_sdk_sends_failed_items_again(url, batch, idle_job):
    tasks = [BatchTaskCreateOptions(id=f"t{number}", command_line="true") for number in range(5)]
    rule = {"operation": "create_task_collection", "items": {"status": 500}, "times": 3}
    async with faults(url, rule) as struck:
        await batch.client.create_tasks(idle_job, tasks)
        assert await struck() == [3]
    assert [task.id async for task in batch.client.list_tasks(idle_job)] == ["t0", "t1", "t2", "t3", "t4"]


async def test_rules_do_not_touch_the_emulators_own_interface_nor_bad_signatures(url):
    async with faults(url, {"operation": "*", "answer": {"status": 500}}):
        assert (await control(url, "GET", "/faults")).status == 200
        assert (await send(url, "GET", "/jobs", key="b3RoZXIga2V5")).status == 403


async def test_rules_are_listed_replaced_and_removed(url):
    rule = {"id": "one", "operation": "get_job", "delay": 1, "seed": 3}
    async with faults(url, rule):
        shown = {"when": "before", "probability": 1.0, "skip": 0, "matched": 0, "struck": 0, **rule}
        assert (await control(url, "GET", "/faults")).body == {"faults": [shown]}
        replaced = await control(url, "POST", "/faults", rule | {"delay": 2})
        assert [each["delay"] for each in replaced.body["faults"]] == [2]
        assert len((await control(url, "GET", "/faults")).body["faults"]) == 1
        assert (await control(url, "DELETE", "/faults/one")).status == 204
        assert (await control(url, "DELETE", "/faults/one")).status == 404
        assert (await control(url, "GET", "/faults")).body == {"faults": []}


async def test_every_problem_of_every_rule_is_named_and_none_is_put_in_force(url):
    rules = [
        {"operation": "get_job", "delay": 1},
        {"operation": "get_jobs", "probability": 2, "when": "later", "tiems": 1, "answer": {"status": 200}},
        {"path": "jobs", "cut": True, "items": {"code": "Unheard"}},
        {},
        7,
    ]
    answer = await control(url, "POST", "/faults", {"faults": rules})
    assert answer.status == 400
    problems = "\n".join(answer.body["problems"])
    for said in (
        "faults[1].operation: one of *, create_job,",
        "faults[1].probability: a number from 0 to 1 is expected",
        "faults[1].when: one of before, after is expected",
        "faults[1]: there is no property 'tiems'; there are answer,",
        "faults[1].answer.status: a whole number from 400 to 599 is expected",
        "faults[2]: path begins with a slash",
        "faults[2]: answer, items and cut exclude each other",
        "faults[2]: items needs the operation create_task_collection",
        "faults[2].items: status and code are needed",
        "faults[3]: operation, method or path is needed",
        "faults[3]: answer, items, cut or delay is needed",
        "faults[4]: an object is expected",
    ):
        assert said in problems
    assert (await control(url, "GET", "/faults")).body == {"faults": []}


@pytest.mark.parametrize("given", [".", "..", "x" * 257])
async def test_an_id_by_which_no_rule_can_be_removed_is_refused(url, given):
    answer = await control(url, "POST", "/faults", {"id": given, "operation": "get_job", "delay": 0})
    assert answer.status == 400
    assert "at most 256 characters" in answer.body["problems"][0]


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, '{"faults": 7}', '{"faults": [], "x": 1}', "null", "[]"])
async def test_a_body_that_holds_no_rules_is_refused(url, body):
    answer = await control(url, "POST", "/faults", data=body)
    assert answer.status == 400
    assert answer.body["problems"]


async def test_a_file_of_rules_is_in_force_from_the_start(tmp_path):
    path = tmp_path / "faults.json"
    path.write_text(json.dumps({"faults": [{"operation": "list_pools", "times": 1, "answer": {"status": 429}}]}))
    async with emulator("--in-memory", "--faults", str(path)) as (_, line, _):
        assert await statuses(line.split()[5], 2, path="/pools") == [429, 200]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "faults.json is not JSON"),
        ('{"operation": "x", "cut": true}', "fault.operation: one of"),
        (None, "No such file"),
    ],
)
async def test_no_emulator_starts_with_a_file_of_rules_that_cannot_be_used(tmp_path, content, said):
    path = tmp_path / "faults.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        async with running(Settings(port=0, faults=path)):
            pass
    assert "\n" not in str(refused.value)


async def test_a_file_that_cannot_be_used_is_said_at_the_start(tmp_path):
    process = await start("--in-memory", "--faults", str(tmp_path / "faults.json"))
    out, err = await process.communicate()
    assert (process.returncode, out, len(err.splitlines())) == (1, b"", 1)
    assert "No such file" in err.decode()


@pytest.mark.parametrize("headers", [{"Origin": "https://example.com"}, {"Host": "example.com"}, {"Host": "1.2.3.4"}])
async def test_a_web_page_cannot_use_the_interface(url, headers):
    answer = await control(url, "POST", "/faults", {"operation": "*", "cut": True}, headers=headers)
    assert answer.status == 403
    assert (await control(url, "GET", "/faults")).body == {"faults": []}


async def test_a_signed_request_may_use_the_interface_from_anywhere(url):
    answer = await send(url, "GET", "/_emulator/faults", headers={"Origin": url})
    assert (answer.status, answer.body) == (200, {"faults": []})


async def test_the_interface_refuses_unknown_paths_and_verbs(url):
    assert (await control(url, "GET", "/nothing")).status == 404
    assert (await control(url, "PATCH", "/faults")).status == 405
