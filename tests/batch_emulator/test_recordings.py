"""Headers and versions as in Microsoft's recordings of the real service; `recorded` says which."""

import pytest

from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.handlers.test_pool_changes import nodes_of, steady
from tests.batch_emulator.recorded import ADDRESS, BODY, VERSION, addressed, ask, names
from tests.batch_emulator.signed import send

DAILY = {"schedule": {"recurrenceInterval": "P1D"}, "jobSpecification": {"poolInfo": {"poolId": "none"}}}
#: It waits for the tasks of the nodes that it takes away.
FORMULA = {
    "autoScaleFormula": "$TargetDedicatedNodes=0;$NodeDeallocationOption=taskcompletion",
    "autoScaleEvaluationInterval": "PT6M",
}


async def test_what_is_created_has_an_address_and_a_version(url, pool):
    """`TaskUpdate`."""
    job_id = new_id("recorded")
    answer = await ask(url, "POST", "/jobs", {"id": job_id, "poolInfo": {"poolId": pool}})
    assert names(answer) == VERSION | ADDRESS | {"location"}
    # A quirk of the service: whatever the job's id, it says job-1.
    assert answer.headers["DataServiceId"] == f"{url}/jobs/job-1"
    task = await ask(url, "POST", f"/jobs/{job_id}/tasks", {"id": "t", "commandLine": "true"})
    assert names(task) == VERSION | ADDRESS | {"location"}
    assert task.headers["DataServiceId"] == f"{url}/jobs/{job_id}/tasks/t"


@pytest.mark.parametrize(
    ("method", "action", "body", "status"),
    [
        ("PATCH", "", {"priority": 900}, 200),
        ("POST", "/disable", {"disableTasks": "requeue"}, 202),
        ("POST", "/terminate", None, 202),
    ],
)
async def test_a_change_of_a_job_names_itself_and_the_new_version(url, job, method, action, body, status):
    """`TerminateJob`."""
    before = await ask(url, "GET", f"/jobs/{job}")
    answer = await ask(url, method, f"/jobs/{job}{action}", body)
    after = await ask(url, "GET", f"/jobs/{job}")
    assert answer.status == status
    assert names(answer) == VERSION | ADDRESS
    assert answer.headers["DataServiceId"] == f"{url}/jobs/{job}{action}"
    assert before.headers["ETag"] != answer.headers["ETag"] == after.headers["ETag"] == after.body["eTag"]


async def test_a_resource_has_its_version_in_the_headers_and_a_list_has_none(url, job, pool):
    """`TaskUpdate`, `PoolExists` (HEAD)."""
    assert names(await ask(url, "GET", f"/jobs/{job}")) == VERSION | BODY
    assert names(await ask(url, "GET", f"/pools/{pool}")) == VERSION | BODY
    assert names(await ask(url, "HEAD", f"/pools/{pool}")) == VERSION
    assert names(await ask(url, "GET", "/jobs")) == BODY
    assert names(await ask(url, "GET", "/nodecounts")) == BODY


async def test_a_node_has_no_version(url, pool):
    """`PoolGetPoolUsageMetrics`."""
    nodes = await ask(url, "GET", f"/pools/{pool}/nodes")
    node = await ask(url, "GET", f"/pools/{pool}/nodes/{nodes.body['value'][0]['id']}")
    assert names(nodes) == names(node) == BODY


async def test_a_deletion_says_nothing(url, batch, job):
    """`TaskUpdate`."""
    assert names(await ask(url, "DELETE", f"/jobs/{job}")) == set()


async def test_a_deleted_file_says_nothing_and_is_not_found(url, batch, job):
    """`should_delete_task_file`."""
    await batch.run(job, "/bin/true")
    path = f"/jobs/{job}/tasks/task/files/stderr.txt"
    deleted = await ask(url, "DELETE", path)
    assert (deleted.status, names(deleted)) == (200, set())
    missing = await send(url, "HEAD", path)
    assert (missing.status, names(missing), missing.body) == (404, set(), b"")


async def test_changes_of_a_pool_name_themselves_and_its_version(url, batch):
    """`should_update_pool_parameters`, `should_patch_pool_parameters`, `should_stop_pool_resizing`."""
    path = f"/pools/{await batch.pool(0)}"
    metadata = {"metadata": [{"name": "foo", "value": "bar"}]}
    replacement = {**metadata, "applicationPackageReferences": []}
    addressed(await ask(url, "PATCH", path, metadata), url, path)
    addressed(await ask(url, "POST", f"{path}/updateproperties", replacement), url, f"{path}/updateproperties")
    resize = await ask(url, "POST", f"{path}/resize", {"targetDedicatedNodes": 1})
    addressed(resize, url, f"{path}/resize")
    stop = await ask(url, "POST", f"{path}/stopresize")
    addressed(stop, url, f"{path}/stopresize")
    assert stop.headers["ETag"] == resize.headers["ETag"]


async def test_an_evaluation_names_itself_and_disabling_autoscale_keeps_the_version_and_stops_the_resize(url, batch):
    """`should_enable_autoscale`, `should_evaluate_pool_autoscale`, `should_disable_autoscale`, `AutoScale`."""
    pool_id = await batch.ready_pool(1)
    path = f"/pools/{pool_id}"
    await steady(batch, pool_id)
    job = await batch.job(pool_id)
    await batch.task(job, "/bin/sleep 60")
    await batch.state(job, "running")
    enabled = await ask(url, "POST", f"{path}/enableautoscale", FORMULA)
    addressed(enabled, url, f"{path}/enableautoscale")
    run = await ask(url, "POST", f"{path}/evaluateautoscale", {"autoScaleFormula": "$TargetDedicatedNodes=3"})
    addressed(run, url, f"{path}/evaluateautoscale", set())
    assert run.body["odata.metadata"] == f"{url}/$metadata#Microsoft.Azure.Batch.Protocol.Entities.AutoScaleRun"
    before = (await ask(url, "GET", path)).headers["ETag"]
    disabled = await ask(url, "POST", f"{path}/disableautoscale")
    addressed(disabled, url, f"{path}/disableautoscale")
    after = await ask(url, "GET", path)
    assert before == disabled.headers["ETag"] == after.headers["ETag"]
    assert after.body["targetDedicatedNodes"] == 0
    assert not {"autoScaleFormula", "autoScaleEvaluationInterval", "autoScaleRun"} & after.body.keys()
    await steady(batch, pool_id)
    stopped = (await ask(url, "GET", path)).body
    assert [error["code"] for error in stopped["resizeErrors"]] == ["ResizeStopped"]
    assert stopped["currentDedicatedNodes"] == 1


async def test_operations_on_nodes_name_themselves_and_no_version(url, batch):
    """Recordings: `should_reboot_a_compute_node`, `should_disable_scheduling_on_a_compute_node` and the like.

    Of users: `should_add_a_user_to_a_compute_node`.
    """
    pool_id = await batch.ready_pool(1)
    (node,) = await nodes_of(batch, pool_id)
    path = f"/pools/{pool_id}/nodes/{node.id}"
    user = await ask(url, "POST", f"{path}/users", {"name": "u", "password": "very secret"})
    assert names(user) == ADDRESS | {"location"}
    assert user.headers["DataServiceId"] == user.headers["Location"] == f"{url}{path}/users/u"
    addressed(await ask(url, "PUT", f"{path}/users/u", {"password": "other"}), url, f"{path}/users/u", set())
    assert names(await ask(url, "DELETE", f"{path}/users/u")) == set()
    for action in ("disablescheduling", "enablescheduling", "reboot"):
        addressed(await ask(url, "POST", f"{path}/{action}"), url, f"{path}/{action}", set())
    logs = {"containerUrl": "https://account.blob.core.windows.net/logs", "startTime": "2018-02-25T00:00:00Z"}
    assert names(await ask(url, "POST", f"{path}/uploadbatchservicelogs", logs)) == BODY


async def test_changes_of_a_schedule_name_themselves_and_the_new_version(url):
    """`test_batch_job_schedules` of the Python client, `should_terminate_a_job_schedule`."""
    schedule_id = new_id("recorded")
    path = f"/jobschedules/{schedule_id}"
    await ask(url, "POST", "/jobschedules", {"id": schedule_id, **DAILY})
    for method, action, body in (
        ("POST", "/disable", None),
        ("POST", "/enable", None),
        ("PUT", "", DAILY),
        ("PATCH", "", {"schedule": {"recurrenceInterval": "PT5H"}}),
        ("POST", "/terminate", None),
    ):
        answer = await ask(url, method, f"{path}{action}", body)
        addressed(answer, url, f"{path}{action}")
    ended = await until(lambda: completed(url, path))
    assert (ended["previousState"], ended["eTag"]) == ("active", answer.headers["ETag"])
    assert ended["executionInfo"]["endTime"] == ended["stateTransitionTime"]
    assert names(await ask(url, "DELETE", path)) == set()


async def completed(url, path):
    return (seen := (await ask(url, "GET", path)).body)["state"] == "completed" and seen


@pytest.mark.parametrize("command", ["/bin/true", "/bin/sleep 60"], ids=["waiting", "running"])
async def test_ending_and_reactivating_a_task_make_new_versions_of_it(url, batch, job, idle_job, command):
    """`should_terminate_a_task`, `should_reactivate_a_task`, `TaskReactive`."""
    is_running = "sleep" in command
    where = job if is_running else idle_job
    await batch.task(where, command)
    await batch.state(where, "running" if is_running else "active")
    path = f"/jobs/{where}/tasks/task"
    versions = [(await ask(url, "GET", path)).headers["ETag"]]
    ended = await ask(url, "POST", f"{path}/terminate")
    addressed(ended, url, f"{path}/terminate")
    seen = await ask(url, "GET", path)
    assert ended.headers["ETag"] == seen.headers["ETag"] == seen.body["eTag"]
    assert seen.body["lastModified"] == seen.body["stateTransitionTime"] == seen.body["executionInfo"]["endTime"]
    versions.append(ended.headers["ETag"])
    again = await ask(url, "POST", f"{path}/reactivate")
    assert (again.status, names(again)) == (204, VERSION)
    versions.append(again.headers["ETag"])
    assert len(set(versions)) == 3
    assert (await ask(url, "GET", path)).body["eTag"] in versions


async def test_deleting_makes_a_new_version_of_a_pool(url, batch, held):
    """`should_delete_a_pool`."""
    pool_id = await batch.ready_pool(1)
    held("pools._LEAVING")
    before = await ask(url, "GET", f"/pools/{pool_id}")
    await ask(url, "DELETE", f"/pools/{pool_id}")
    after = await ask(url, "GET", f"/pools/{pool_id}")
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.body["lastModified"] == after.body["stateTransitionTime"]
