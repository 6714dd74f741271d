import asyncio
from datetime import UTC, datetime

import pytest
from azure.batch.models import BatchTaskCreateOptions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from tests.batch_emulator.signed import send


def options(task_id, command="/bin/true"):
    return BatchTaskCreateOptions(id=task_id, command_line=command)


async def test_a_new_task_has_the_defaults_of_the_service(url, batch, idle_job):
    """Recording `TaskUpdate`."""
    answer = await send(url, "POST", f"/jobs/{idle_job}/tasks", body={"id": "T", "commandLine": "x"})
    address = f"{url}/jobs/{idle_job}/tasks/T"
    assert (answer.status, answer.headers["Location"]) == (201, address)
    task = (await send(url, "GET", f"/jobs/{idle_job}/tasks/t")).body
    created = task["creationTime"]
    assert task == {
        "odata.metadata": f"{url}/$metadata#tasks/@Element",
        "id": "T",
        "url": address,
        "eTag": answer.headers["ETag"],
        "creationTime": created,
        "lastModified": created,
        "state": "active",
        "stateTransitionTime": created,
        "commandLine": "x",
        "constraints": {
            "maxWallClockTime": "P10675199DT2H48M5.4775807S",
            "retentionTime": "P7D",
            "maxTaskRetryCount": 0,
        },
        "requiredSlots": 1,
        "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}},
        "executionInfo": {"retryCount": 0, "requeueCount": 0},
    }


async def test_a_task_sent_back_as_it_was_shown_says_nothing_of_what_the_service_reports(url, idle_job):
    path = f"/jobs/{idle_job}/tasks"
    from_service = {"url": "x", "state": "completed", "previousState": "x", "nodeInfo": {}, "odata.metadata": "x"}
    await send(
        url, "POST", path, body={"id": "first", "commandLine": "x", "stats": {}, "executionInfo": {}, **from_service}
    )
    await send(url, "POST", path, body={"id": "other", "commandLine": "x"})
    first, other = (await send(url, "GET", path)).body["value"]
    assert (first.keys(), first["url"], first["state"]) == (other.keys(), f"{url}{path}/first", "active")
    alone = (await send(url, "GET", f"{path}/first")).body
    assert alone == {"odata.metadata": f"{url}/$metadata#tasks/@Element", **first}


async def test_nothing_is_selected_where_a_task_has_no_such_property(url, batch, idle_job):
    await batch.task(idle_job, "/bin/true")
    path, query = f"/jobs/{idle_job}/tasks", {"$select": "displayName"}
    assert (await send(url, "GET", path, query)).body["value"] == [{}]
    alone = (await send(url, "GET", f"{path}/task", query)).body
    assert alone == {"odata.metadata": f"{url}/$metadata#tasks/@Element"}


async def test_as_whom_a_task_runs_is_taken_in_any_case(url, idle_job):
    user = {"autoUser": {"scope": "Task", "elevationLevel": "NonAdmin"}}
    body = {"id": "t", "commandLine": "x", "userIdentity": user}
    assert (await send(url, "POST", f"/jobs/{idle_job}/tasks", body=body)).status == 201
    task = (await send(url, "GET", f"/jobs/{idle_job}/tasks/t")).body
    assert task["userIdentity"] == {"autoUser": {"scope": "task", "elevationLevel": "nonadmin"}}


@pytest.mark.parametrize("user", [{"autoUser": {"scope": "world"}}, {"autoUser": {}, "username": "u"}, "root"])
async def test_an_impossible_user_is_refused(url, idle_job, user):
    body = {"id": "t", "commandLine": "x", "userIdentity": user}
    answer = await send(url, "POST", f"/jobs/{idle_job}/tasks", body=body)
    assert (answer.status, answer.body["code"]) == (400, "InvalidPropertyValue")


async def test_a_task_of_the_same_id_is_refused(batch, idle_job):
    await batch.task(idle_job, "/bin/true", "Same")
    with pytest.raises(ResourceExistsError) as caught:
        await batch.task(idle_job, "/bin/true", "same")
    assert caught.value.error.code == "TaskExists"


async def test_a_missing_task_and_a_missing_job_are_distinguished(batch, idle_job):
    with pytest.raises(ResourceNotFoundError) as caught:
        await batch.client.get_task(idle_job, "missing")
    assert caught.value.error.code == "TaskNotFound"
    with pytest.raises(ResourceNotFoundError) as caught:
        await batch.client.get_task("missing", "missing")
    assert caught.value.error.code == "JobNotFound"


async def test_a_collection_is_answered_item_by_item(url, batch, idle_job):
    await batch.task(idle_job, "/bin/true", "old")
    tasks = [{"id": "new", "commandLine": "x"}, {"id": "OLD", "commandLine": "x"}, {"id": "bad"}, 7]
    answer = await send(url, "POST", f"/jobs/{idle_job}/addtaskcollection", body={"value": tasks})
    assert answer.status == 200
    new, old, bad, number = answer.body["value"]
    assert (new["status"], new["taskId"], new["location"]) == ("Success", "new", f"{url}/jobs/{idle_job}/tasks/new")
    assert (old["status"], old["error"]["code"]) == ("clienterror", "TaskExists")
    assert (bad["status"], bad["error"]["code"]) == ("clienterror", "MissingRequiredProperty")
    assert (number["status"], number["error"]["code"]) == ("clienterror", "InvalidPropertyValue")
    assert (await batch.client.get_task(idle_job, "new")).state == "active"


async def test_more_than_100_tasks_at_once_are_refused(url, idle_job):
    tasks = [{"id": f"t{number}", "commandLine": "x"} for number in range(101)]
    answer = await send(url, "POST", f"/jobs/{idle_job}/addtaskcollection", body={"value": tasks})
    assert (answer.status, answer.body["code"]) == (400, "InvalidPropertyValue")


@pytest.mark.parametrize("body", [{}, {"value": {}}, {"value": None}])
async def test_a_collection_without_a_list_is_refused(url, idle_job, body):
    answer = await send(url, "POST", f"/jobs/{idle_job}/addtaskcollection", body=body)
    assert answer.status == 400


async def test_the_sdk_adds_many_tasks_and_halves_what_is_too_large(batch, idle_job):
    command = "x" * 15_000
    await batch.client.create_tasks(idle_job, [options(f"t{number}", command) for number in range(150)])
    counts = await batch.client.get_job_task_counts(idle_job)
    assert counts.task_counts.active == 150


async def test_newly_completed_tasks_are_found_by_time(batch, job):
    first = await batch.run(job, "/bin/true", "first")
    later = await batch.run(job, "/bin/true", "later")
    await batch.task(job, "/bin/sleep 60", "running")

    async def completed_since(moment):
        text = moment.astimezone(UTC).isoformat()
        query = f"state eq 'completed' and stateTransitionTime ge DateTime'{text}'"
        listed = batch.client.list_tasks(job, filter=query, select=["id", "state", "executionInfo"])
        return [task.as_dict() async for task in listed]

    assert [task["id"] for task in await completed_since(first.state_transition_time)] == ["first", "later"]
    (only,) = await completed_since(later.state_transition_time)
    assert set(only) == {"id", "state", "executionInfo"}
    assert await completed_since(datetime.now(UTC)) == []
    await batch.client.delete_task(job, "running")


async def test_tasks_are_filtered_by_exit_code_and_result(batch, job):
    await batch.run(job, "/bin/sh -c 'exit 3'", "three")
    await batch.run(job, "/bin/true", "zero")
    await batch.run(job, "/no/such/program", "none")

    async def ids(query):
        return [task.id async for task in batch.client.list_tasks(job, filter=query)]

    assert await ids("executionInfo/exitCode ge 1") == ["three"]
    assert await ids("executionInfo/exitCode lt 1 or executionInfo/exitCode eq 3") == ["three", "zero"]
    assert await ids("executionInfo/result eq 'Failure'") == ["none", "three"]
    assert await ids("(id eq 'ZERO' or id eq 'none') and state eq 'completed'") == ["none", "zero"]


async def test_a_bad_filter_is_explained_by_the_service(url, idle_job):
    answer = await send(url, "GET", f"/jobs/{idle_job}/tasks", {"$filter": "colour eq 'red'"})
    assert (answer.status, answer.body["code"]) == (400, "InvalidQueryParameterValue")
    details = {item["key"]: item["value"] for item in answer.body["values"]}
    assert details["QueryParameterName"] == "$filter"
    assert details["QueryParameterValue"] == "colour eq 'red'"
    assert "colour cannot be filtered on" in details["Reason"]


async def test_the_next_link_comes_back_to_the_host_that_was_asked(url, batch, idle_job):
    await batch.client.create_tasks(idle_job, [options(f"t{number}") for number in range(3)])
    path = f"/jobs/{idle_job}/tasks"
    answer = await send(url, "GET", path, {"maxresults": "2", "$select": "id"}, headers={"Host": "batch.localhost:99"})
    assert [task["id"] for task in answer.body["value"]] == ["t0", "t1"]
    assert answer.body["odata.nextLink"].startswith(f"http://batch.localhost:99{path}?")
    listed = batch.client.list_tasks(idle_job, max_results=2)
    assert [task.id async for task in listed] == ["t0", "t1", "t2"]
    assert "odata.nextLink" not in (await send(url, "GET", path, {"maxresults": "3"})).body


async def test_a_terminated_active_task_never_ran(batch, idle_job):
    await batch.task(idle_job, "/bin/true")
    await batch.client.terminate_task(idle_job, "task")
    task = await batch.client.get_task(idle_job, "task")
    info = task.execution_info
    assert (task.state, info.result, info.failure_info.code) == ("completed", "failure", "TaskEnded")
    assert (info.start_time, info.exit_code, task.node_info.node_id) == (None, None, None)
    with pytest.raises(ResourceExistsError) as caught:
        await batch.client.terminate_task(idle_job, "task")
    assert caught.value.error.code == "TaskCompleted"


async def test_a_deleted_task_is_gone_and_its_id_free(batch, job):
    await batch.run(job, "/bin/true")
    await batch.client.delete_task(job, "task")
    with pytest.raises(ResourceNotFoundError):
        await batch.client.get_task(job, "task")
    await batch.run(job, "/bin/echo again")
    assert await batch.output(job) == "again\n"


async def test_many_clients_may_add_the_same_task_and_one_wins(batch, idle_job):
    adding = (batch.task(idle_job, "/bin/true", "one") for _ in range(20))
    results = await asyncio.gather(*adding, return_exceptions=True)
    assert results.count(None) == 1
    assert {type(result) for result in results if result} == {ResourceExistsError}
