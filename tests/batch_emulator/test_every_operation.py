"""All 72 operations succeed, each with an answer that has the shape of the SDK's model (see `conformity`)."""

import inspect
import re
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from azure.batch import BatchClient
from azure.batch.models import BatchPoolUsageMetrics

from batch_emulator.model.usage_metrics import usage_on_wire
from batch_emulator.routes import ROUTES
from batch_emulator.server import running
from batch_emulator.settings import Settings
from tests.batch_emulator.conftest import until
from tests.batch_emulator.handlers.test_account_lists import NOON, node_allocated
from tests.batch_emulator.handlers.test_applications import pack
from tests.batch_emulator.hostile_bodies import BODIES
from tests.batch_emulator.sdk_models import problems
from tests.batch_emulator.signed import send

OPERATIONS = {each.name: each for each in ROUTES}
POOL = BODIES["create_pool"][0] | {
    "targetDedicatedNodes": 2,
    "taskSlotsPerNode": 1,
    "enableInterNodeCommunication": True,
}
EXTENSION = {"name": "mine", "publisher": "p", "type": "t"}
JOB = {"poolInfo": {"poolId": "pool"}}
HELPERS = {
    "jobPreparationTask": {"id": "prepare", "commandLine": "/bin/true"},
    "jobReleaseTask": {"id": "release", "commandLine": "/bin/true"},
}
SCHEDULE = {"schedule": {"recurrenceInterval": "PT1H"}, "jobSpecification": JOB}
TASK = {"commandLine": "/bin/sh -c 'echo hello > file'"}
INSTANCES = {"coordinationCommandLine": "/bin/true", "numberOfInstances": 2}


class Everything:
    """Asks for operations by their names, and remembers which have succeeded."""

    def __init__(self, url):
        self.url = url
        self.succeeded, self.turned = set(), set()
        self.ids = {"applicationId": "tool", "poolId": "pool", "jobId": "job", "taskId": "task"}
        self.ids |= {"jobScheduleId": "schedule", "userName": "u", "extensionName": "mine"}

    async def ask(self, name, body=None, query=None, **ids):
        """Return the answer's body; a body that is not given is a good one."""
        body = body or (BODIES[name][0] if name in BODIES else None)
        answer = await send(self.url, OPERATIONS[name].method, self._path(name, ids), query, body)
        assert answer.status < 300, (name, answer.status, answer.body)
        if _takes(name, "select") and not query:
            await self._select(name, ids, answer.body)
        self.succeeded.add(name)
        return answer.body

    async def _select(self, name, ids, whole):
        """Ask again for one property of what was answered."""
        items = whole.get("value", [whole])
        wanted = min(set(items[0]) - {"odata.metadata"}) if items else "id"
        answer = await send(self.url, "GET", self._path(name, ids), {"$select": wanted})
        assert answer.status == 200, (name, wanted, answer.body)
        for item in answer.body.get("value", [answer.body]):
            assert item.keys() <= {"odata.metadata", wanted}, (name, item)

    def _path(self, name, ids):
        ids = self.ids | ids
        return re.sub(r"\{(\w+)\}", lambda match: quote(ids[match[1]], safe=""), OPERATIONS[name].path)

    async def turn_pages(self, name, query=None, **ids):
        """Hold pages of one item each against the whole list of something that rests."""
        whole = (await self.ask(name, None, query, **ids))["value"]
        found, query = [], (query or {}) | {"maxresults": "1"}
        while query:
            page = (await send(self.url, "GET", self._path(name, ids), query)).body
            assert len(page["value"]) <= 1
            found += page["value"]
            query = dict(parse_qsl(urlsplit(page.get("odata.nextLink", "")).query))
        assert found == whole
        self.turned.add(name)

    async def state(self, name, state, **ids):
        async def look():
            return (await self.ask(name, **ids))["state"] == state

        await until(look)

    async def gone(self, name):
        """Wait until a list is empty."""

        async def look():
            return not (await self.ask(name))["value"]

        await until(look)

    async def nodes(self, state="idle"):
        """Return the ids of the nodes once all are in a state."""

        async def look():
            nodes = (await self.ask("list_nodes"))["value"]
            ready = nodes and all(node["state"] == state for node in nodes)
            return [node["id"] for node in nodes] if ready else None

        return await until(look)

    async def steady(self):
        async def look():
            return (await self.ask("get_pool"))["allocationState"] == "steady"

        await until(look)


def _takes(name, parameter):
    function = getattr(BatchClient, name, None)
    return function is not None and parameter in inspect.signature(function).parameters


@pytest.fixture(scope="module")
async def everything(tmp_path_factory):
    applications = tmp_path_factory.mktemp("applications")
    for name in ("tool", "other"):
        pack(applications, name, "1.0")
    async with running(Settings(port=0, applications=applications)) as url:
        yield Everything(url)


async def account(everything):
    await everything.ask("get_application")
    for name in ("list_applications", "list_pool_usage_metrics", "list_supported_images"):
        await everything.turn_pages(name)


async def pools(everything):
    machine = POOL["virtualMachineConfiguration"] | {"extensions": [EXTENSION]}
    await everything.ask("create_pool", POOL | {"id": "pool", "virtualMachineConfiguration": machine})
    await everything.ask("create_pool", {"id": "empty", "vmSize": "small"})
    await everything.nodes()
    await everything.steady()
    for name in ("list_pools", "list_pool_node_counts", "list_nodes"):
        await everything.turn_pages(name)
    for name in ("pool_exists", "get_pool", "update_pool", "replace_pool_properties"):
        await everything.ask(name)
    await everything.ask("resize_pool", {"targetDedicatedNodes": 5}, poolId="empty")
    await everything.ask("stop_pool_resize", poolId="empty")


async def tasks(everything):
    await everything.ask("create_job", JOB | HELPERS | {"id": "job"})
    await everything.ask("create_task", TASK | {"id": "task"})
    await everything.ask("create_task_collection", {"value": [TASK | {"id": "bad", "commandLine": "/bin/false"}]})
    await everything.ask("create_task", TASK | {"id": "wide", "multiInstanceSettings": INSTANCES})
    for task in ("task", "bad", "wide"):
        await everything.state("get_task", "completed", taskId=task)
    await everything.ask("get_job_task_counts")
    for name in ("list_tasks", "list_job_preparation_and_release_task_status"):
        await everything.turn_pages(name)
    assert (await everything.ask("list_subtasks", taskId="wide"))["value"]
    await everything.ask("replace_task")
    await everything.ask("create_task", TASK | {"id": "long", "commandLine": "/bin/sleep 60"})
    await everything.ask("terminate_task", taskId="long")
    await everything.ask("reactivate_task", taskId="long")
    await everything.ask("delete_task", taskId="long")


async def files(everything, node):
    recursive = {"recursive": "true"}
    await everything.turn_pages("list_task_files", recursive)
    await everything.turn_pages("list_node_files", recursive, nodeId=node)
    path = {"filePath": "wd/file"}
    for name in ("get_task_file_properties", "download_task_file"):
        await everything.ask(name, **path)
    await everything.ask("delete_task_file", **path)
    path = {"filePath": "workitems/job/job-1/task/stderr.txt", "nodeId": node}
    for name in ("get_node_file_properties", "download_node_file", "delete_node_file"):
        await everything.ask(name, **path)


async def jobs(everything):
    await everything.ask("create_job", JOB | {"id": "other"})
    await everything.turn_pages("list_jobs")
    for name in ("get_job", "update_job"):
        await everything.ask(name, jobId="other")
    await everything.ask("replace_job", JOB, jobId="other")
    await everything.ask("disable_job", jobId="other")
    await everything.state("get_job", "disabled", jobId="other")
    await everything.ask("enable_job", jobId="other")
    await everything.state("get_job", "active", jobId="other")
    for name in ("get_job", "list_jobs"):
        await everything.ask(name, query={"$expand": "stats"})
    await everything.ask("terminate_job")


async def schedules(everything):
    await everything.ask("create_job_schedule", SCHEDULE | {"id": "schedule"})
    await everything.ask("create_job_schedule", SCHEDULE | {"id": "second"})
    for name in ("list_job_schedules", "list_jobs_from_schedule"):
        await everything.turn_pages(name)
    for name in ("job_schedule_exists", "disable_job_schedule"):
        await everything.ask(name)
    await everything.ask("enable_job_schedule")
    await everything.ask("get_job_schedule", query={"$expand": "stats"})
    await everything.ask("update_job_schedule")
    await everything.ask("replace_job_schedule", SCHEDULE)
    await everything.ask("terminate_job_schedule")
    await everything.ask("delete_job_schedule")


async def nodes(everything, node):
    everything.ids["nodeId"] = node
    await everything.turn_pages("list_node_extensions")
    names = (
        *("get_node", "get_node_extension", "get_node_remote_login_settings"),
        *("upload_node_logs", "create_node_user", "replace_node_user", "delete_node_user"),
        *("disable_node_scheduling", "enable_node_scheduling"),
    )
    for name in names:
        await everything.ask(name)
    for name in ("reboot_node", "reimage_node"):
        await everything.ask(name)
        await everything.nodes()
    await everything.ask("deallocate_node")
    await everything.state("get_node", "deallocated")
    await everything.ask("start_node")
    await everything.nodes()


async def the_end(everything, node):
    await everything.ask("remove_nodes", {"nodeList": [node]})
    await everything.steady()
    for name in ("enable_pool_auto_scale", "evaluate_pool_auto_scale", "disable_pool_auto_scale"):
        await everything.ask(name)
    for job in ("job", "other"):
        await everything.ask("delete_job", jobId=job)
    await everything.ask("delete_job_schedule", jobScheduleId="second")
    for pool in ("pool", "empty"):
        await everything.ask("delete_pool", poolId=pool)
    for name in ("list_jobs", "list_job_schedules", "list_pools"):
        await everything.gone(name)


async def test_every_operation_answers_in_the_shape_of_the_sdks_models(everything):
    await account(everything)
    await pools(everything)
    node, _ = await everything.nodes()
    await tasks(everything)
    await files(everything, (await everything.ask("get_task"))["nodeInfo"]["nodeId"])
    await jobs(everything)
    await schedules(everything)
    await nodes(everything, node)
    await the_end(everything, node)
    assert everything.succeeded == OPERATIONS.keys()
    assert everything.turned == {name for name in OPERATIONS if _takes(name, "max_results")}


def test_usage_that_is_there_only_after_half_an_hour_has_the_shape_of_the_sdks_model():
    interval = (NOON.replace(hour=11), NOON)
    usage = usage_on_wire("p", "standard_d2s_v3", [node_allocated(interval[0])], interval)
    assert problems(BatchPoolUsageMetrics, usage) == []
