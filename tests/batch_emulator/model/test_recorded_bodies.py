"""Bodies and server-side defaults as in Microsoft's recordings of the real service; `recorded` says which."""

import pytest
from azure.batch.models import BatchJobDisableOptions

from batch_emulator.settings import Settings
from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.handlers.test_applications import emulator
from tests.batch_emulator.handlers.test_pool_changes import nodes_of, steady
from tests.batch_emulator.recorded import BODY, UBUNTU, addressed, ask, names, new_pool, shown
from tests.batch_emulator.signed import send

UNLIMITED = "P10675199DT2H48M5.4775807S"
NOBODY = {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}


async def test_states_of_passage_are_no_previous_states(batch, job):
    """`TerminateJob`, of `terminating`."""
    disabling = BatchJobDisableOptions(disable_tasks="requeue")
    poller = await batch.client.begin_disable_job(job, disabling, polling_interval=0.02)
    await poller.result()
    disabled = await batch.client.get_job(job)
    assert (disabled.state, disabled.previous_state) == ("disabled", "active")
    assert disabled.previous_state_transition_time == disabled.creation_time
    poller = await batch.client.begin_enable_job(job, polling_interval=0.02)
    await poller.result()
    enabled = await batch.client.get_job(job)
    assert (enabled.state, enabled.previous_state) == ("active", "disabled")
    assert enabled.previous_state_transition_time == disabled.state_transition_time


async def test_a_job_has_its_reason_when_it_begins_to_end_and_its_end_time_when_it_has_ended(url, batch, job):
    """`TerminateJob`."""
    await ask(url, "POST", f"/jobs/{job}/terminate", {"terminateReason": "enough"})
    seen = [await batch.client.get_job(job)]
    while seen[-1].state != "completed":
        seen.append(await batch.client.get_job(job))
    assert {found.execution_info.termination_reason for found in seen} == {"enough"}
    assert {found.execution_info.end_time for found in seen if found.state == "terminating"} <= {None}
    assert seen[-1].previous_state == "active"
    assert seen[-1].execution_info.end_time == seen[-1].state_transition_time


async def test_a_pool_that_scales_itself_resizes_and_shows_its_first_run_at_once(url, held):
    """`AutoScale`."""
    held("allocation._SEARCH")
    pool = await shown(url, enableAutoScale=True, autoScaleFormula="$TargetDedicated = 0;")
    assert pool["allocationState"] == "resizing"
    results = "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    assert pool["autoScaleRun"]["results"] == results


async def test_a_new_pool_without_nodes_resizes_for_a_moment(url, batch, held):
    """`should_add_a_pool_with_a_data_disk` and every other pool without nodes."""
    let_pass = held("allocation._SEARCH")
    pool = await shown(url, targetDedicatedNodes=0)
    assert (pool["allocationState"], pool["currentDedicatedNodes"]) == ("resizing", 0)
    let_pass()
    await steady(batch, pool["id"])
    after = (await ask(url, "GET", f"/pools/{pool['id']}")).body
    assert (after["eTag"], after.get("resizeErrors")) == (pool["eTag"], None)


async def test_a_pool_that_is_being_deleted_resizes_to_nothing(url, batch, held):
    """`should_create_a_pool_with_confidential_vm_and_metadata_security_protocol`, `should_delete_a_pool`."""
    path = f"/pools/{await batch.ready_pool(1)}"
    held("pools._LEAVING")
    await ask(url, "DELETE", path)
    pool = (await ask(url, "GET", path)).body
    assert (pool["state"], pool["allocationState"], pool["targetDedicatedNodes"]) == ("deleting", "resizing", 0)
    assert pool["resizeTimeout"] == "PT7M9.497S"


async def test_a_stopped_resize_that_lacks_no_node_ends_without_an_error(url, batch, held):
    """`should_stop_pool_resizing`: the targets stay as they were asked for."""
    path = f"/pools/{await batch.ready_pool(1)}"
    await steady(batch, path.rpartition("/")[2])
    let_pass = held("allocation._SEARCH")
    await ask(url, "POST", f"{path}/resize", {"targetDedicatedNodes": 1})
    await ask(url, "POST", f"{path}/stopresize")
    let_pass()
    await steady(batch, path.rpartition("/")[2])
    pool = (await ask(url, "GET", path)).body
    assert (pool["targetDedicatedNodes"], pool["currentDedicatedNodes"], pool.get("resizeErrors")) == (1, 1, None)


async def test_the_names_of_vm_sizes_are_shown_in_lower_case(url, batch):
    """`JobOperations` (pool and node), `JobScheduleAutoPool` (specification)."""
    pool = await shown(url, vmSize="STANDARD_D1_v2", targetDedicatedNodes=1)
    assert pool["vmSize"] == "standard_d1_v2"
    (node,) = await until(lambda: nodes_of(batch, pool["id"]))
    assert node.vm_size == "standard_d1_v2"
    filtered = await send(url, "GET", "/pools", {"$filter": f"id eq '{pool['id']}' and vmSize eq 'Standard_D1_V2'"})
    assert [found["id"] for found in filtered.body["value"]] == [pool["id"]]
    specification = {"poolLifetimeOption": "job", "pool": {"vmSize": "STANDARD_D1_v2"}}
    body = {"id": new_id("recorded"), "poolInfo": {"autoPoolSpecification": specification}}
    await ask(url, "POST", "/jobs", body)
    job = await ask(url, "GET", f"/jobs/{body['id']}")
    assert job.body["poolInfo"]["autoPoolSpecification"]["pool"]["vmSize"] == "standard_d1_v2"


@pytest.mark.parametrize("given", [{}, {"userIdentity": {"autoUser": {"scope": "task", "elevationLevel": "admin"}}}])
async def test_a_start_task_runs_as_the_pools_user_where_nothing_else_is_said(url, given):
    """`should_get_a_pool_reference`, `should_update_pool_parameters` (the replacement)."""
    start = {"commandLine": "true", **given}
    complete = {"userIdentity": NOBODY, "maxTaskRetryCount": 0, "waitForSuccess": True, **start}
    pool = await shown(url, startTask=start)
    assert pool["startTask"] == complete
    path = f"/pools/{pool['id']}"
    replacement = {"startTask": start, "applicationPackageReferences": [], "metadata": []}
    await ask(url, "POST", f"{path}/updateproperties", replacement)
    assert (await ask(url, "GET", path)).body["startTask"] == complete


async def test_what_machines_and_networks_may_be_is_spelled_as_recorded(url):
    """`should_create_a_pool_with_auto_os_upgrade`, `..._ipv6_address`, `PoolCreatedOsDiskSecurityProfile`."""
    machine = {
        **UBUNTU,
        "nodePlacementConfiguration": {"policy": "zonal"},
        "securityProfile": {"encryptionAtHost": False, "securityType": "confidentialVM"},
        "osDisk": {"managedDisk": {"securityProfile": {"securityEncryptionType": "VMGuestStateOnly"}}},
    }
    addresses = {"provision": "batchmanaged", "ipFamilies": ["IPv6", "IPv4"]}
    pool = await shown(
        url, virtualMachineConfiguration=machine, networkConfiguration={"publicIPAddressConfiguration": addresses}
    )
    seen = pool["virtualMachineConfiguration"]
    assert seen["nodePlacementConfiguration"] == {"policy": "Zonal"}
    assert seen["securityProfile"] == {"encryptionAtHost": False, "securityType": "confidentialvm"}
    assert seen["osDisk"] == {
        "ephemeralOSDiskSettings": {},
        "caching": "None",
        "managedDisk": {
            "storageAccountType": "standard_lrs",
            "securityProfile": {"securityEncryptionType": "VMGuestStateOnly"},
        },
    }
    shown_addresses = pool["networkConfiguration"]["publicIPAddressConfiguration"]
    assert shown_addresses == {"provision": "BatchManaged", "ipFamilies": ["IPv4", "IPv6"]}


async def test_a_trusted_launch_is_spelled_as_recorded(url):
    """`should_create_a_pool_with_securityprofile__os_disk`."""
    profile = {"encryptionAtHost": True, "securityType": "trustedLaunch"}
    pool = await shown(url, virtualMachineConfiguration={**UBUNTU, "securityProfile": profile})
    seen = pool["virtualMachineConfiguration"]["securityProfile"]
    assert seen == {"encryptionAtHost": True, "securityType": "trustedlaunch"}


async def test_a_user_of_linux_has_no_configuration_that_says_nothing(url):
    """`should_enable_autoscale`: a user of a Linux pool is a name and an elevation level."""
    users = [{"name": "nonAdminUser", "password": "very secret", "linuxUserConfiguration": {}}]
    pool = await shown(url, userAccounts=users)
    assert pool["userAccounts"] == [{"name": "nonAdminUser", "elevationLevel": "nonadmin"}]
    users[0]["linuxUserConfiguration"] = {"sshPrivateKey": "very secret"}
    pool = await shown(url, userAccounts=users)
    assert pool["userAccounts"] == [{"name": "nonAdminUser", "elevationLevel": "nonadmin"}]


async def test_a_container_starts_in_the_tasks_directory_where_nothing_else_is_said(url, batch, idle_job):
    """`should_create_a_task_with_container_settings`."""
    await ask(
        url,
        "POST",
        f"/jobs/{idle_job}/tasks",
        {"id": "t", "commandLine": "true", "containerSettings": {"imageName": "centos"}},
    )
    task = await ask(url, "GET", f"/jobs/{idle_job}/tasks/t")
    assert task.body["containerSettings"] == {"imageName": "centos", "workingDirectory": "taskWorkingDirectory"}


async def test_ids_of_applications_are_shown_in_lower_case_and_lists_have_names_of_their_own(tmp_path):
    """`should_add_a_task_with_an_application_package_reference`, `GetandListApplication`."""
    (tmp_path / "Tool").mkdir()
    (tmp_path / "Tool" / "1.zip").touch()
    async with emulator(Settings(port=0, applications=tmp_path)) as (batch, url):
        listed = await ask(url, "GET", "/applications")
        assert listed.body["odata.metadata"] == f"{url}/$metadata#listapplicationsummariesresponses"
        assert listed.body["value"] == [{"id": "Tool", "versions": ["1"]}]
        one = await ask(url, "GET", "/applications/tool")
        assert one.body == {
            "odata.metadata": f"{url}/$metadata#getapplicationsummaryresponse/@Element",
            "id": "Tool",
            "versions": ["1"],
        }
        job = await batch.job("none")
        task = {"id": "t", "commandLine": "true", "applicationPackageReferences": [{"applicationId": "TOOL"}]}
        await ask(url, "POST", f"/jobs/{job}/tasks", task)
        seen = await ask(url, "GET", f"/jobs/{job}/tasks/t")
        assert seen.body["applicationPackageReferences"] == [{"applicationId": "tool"}]


async def test_a_node_is_reached_by_the_nat_pools_of_its_pool_and_else_not_at_all(url, batch):
    """`should_get_the_details_of_a_pool_with_endpoint_configuration`, `should_get_a_remote_login_settings`."""
    nat = {"protocol": "tcp", "frontendPortRangeStart": 15000, "frontendPortRangeEnd": 15100}
    nats = [nat | {"name": "web", "backendPort": 80}, nat | {"name": "ssh", "backendPort": 22}]
    network = {"endpointConfiguration": {"inboundNATPools": nats}}
    pool_id = await new_pool(url, targetDedicatedNodes=1, networkConfiguration=network)
    (node,) = await until(lambda: nodes_of(batch, pool_id))
    endpoints = [(each.name, each.backend_port) for each in node.endpoint_configuration.inbound_endpoints]
    assert endpoints == [("web.0", 80), ("ssh.0", 22)]
    path = f"/pools/{pool_id}/nodes/{node.id}/remoteloginsettings"
    settings = await ask(url, "GET", path)
    addressed(settings, url, path, set())
    ssh = node.endpoint_configuration.inbound_endpoints[1]
    assert settings.body == {
        "odata.metadata": f"{url}/$metadata#Microsoft.Azure.Batch.Protocol.Entities.RemoteLoginSettings",
        "remoteLoginIPAddress": ssh.public_ip_address,
        "remoteLoginPort": ssh.frontend_port,
    }
    without = await ask(url, "GET", f"/pools/{await batch.ready_pool(1)}/nodes")
    assert "endpointConfiguration" not in without.body["value"][0]


@pytest.fixture
def slow_boots(monkeypatch):
    """Each step of a boot takes long enough to be seen on a busy machine."""
    monkeypatch.setattr("batch_emulator.scheduling.nodes._BOOT_STEP", 0.5)


@pytest.mark.usefixtures("slow_boots")
async def test_a_node_has_an_agent_once_it_has_booted(url, batch):
    """`JobOperations` (starting), `should_get_a_compute_node_reference` (idle)."""
    pool_id = await batch.pool(1)
    (node,) = await until(lambda: nodes_of(batch, pool_id))
    seen = []

    async def idle():
        seen.append((await ask(url, "GET", f"/pools/{pool_id}/nodes/{node.id}")).body)
        return seen[-1]["state"] == "idle"

    await until(idle)
    creating = [each for each in seen if each["state"] == "creating"]
    assert creating
    assert not any({"lastBootTime", "nodeAgentInfo"} & each.keys() for each in creating)
    assert {"lastBootTime", "nodeAgentInfo"} <= seen[-1].keys()


@pytest.mark.usefixtures("slow_boots")
async def test_a_deallocated_node_takes_no_tasks_and_reports_its_last_boot_until_it_has_started(url, batch):
    """`should_deallocate_and_then_start_a_compute_node`."""
    pool_id = await batch.ready_pool(1, start_task={"commandLine": "/bin/true", "waitForSuccess": True})
    (node,) = await nodes_of(batch, pool_id)
    path = f"/pools/{pool_id}/nodes/{node.id}"
    first = (await ask(url, "GET", path)).body

    async def in_state(state):
        return (seen := (await ask(url, "GET", path)).body)["state"] == state and seen

    addressed(await ask(url, "POST", f"{path}/deallocate"), url, f"{path}/deallocate", set())
    for state in ("deallocating", "deallocated"):
        seen = await until(lambda state=state: in_state(state))
        assert seen["schedulingState"] == "disabled"
        assert (seen["lastBootTime"], seen["startTaskInfo"]) == (first["lastBootTime"], first["startTaskInfo"])
    await ask(url, "POST", f"{path}/start")
    starting = (await ask(url, "GET", path)).body
    assert (starting["state"], starting["lastBootTime"]) == ("starting", first["lastBootTime"])
    assert starting["startTaskInfo"] == first["startTaskInfo"]
    again = await until(lambda: in_state("idle"))
    assert (again["schedulingState"], again["allocationTime"]) == ("enabled", first["allocationTime"])
    assert again["lastBootTime"] > first["lastBootTime"]


async def test_a_schedule_that_says_nothing_is_left_out_and_its_job_manager_is_complete(url):
    """`GetJobsFromSchedules`."""
    schedule_id = new_id("recorded")
    manager = {"id": "task1", "commandLine": "true"}
    specification = {"jobManagerTask": manager, "poolInfo": {"poolId": "none"}}
    body = {"id": schedule_id, "schedule": {}, "jobSpecification": specification}
    await ask(url, "POST", "/jobschedules", body)
    seen = (await ask(url, "GET", f"/jobschedules/{schedule_id}")).body
    assert "schedule" not in seen
    assert seen["executionInfo"] == {
        "recentJob": {"url": f"{url}/jobs/{schedule_id}:job-1", "id": f"{schedule_id}:job-1"}
    }
    complete = {
        **manager,
        "constraints": {"maxWallClockTime": UNLIMITED, "retentionTime": "P7D", "maxTaskRetryCount": 0},
        "requiredSlots": 1,
        "userIdentity": NOBODY,
        "runExclusive": True,
        "allowLowPriorityNode": True,
        "killJobOnCompletion": True,
    }
    assert seen["jobSpecification"]["jobManagerTask"] == complete
    (job,) = (await ask(url, "GET", f"/jobschedules/{schedule_id}/jobs")).body["value"]
    assert job["jobManagerTask"] == complete
    await ask(url, "PATCH", f"/jobschedules/{schedule_id}", {"schedule": {"recurrenceInterval": "P1D"}})
    assert (await ask(url, "GET", f"/jobschedules/{schedule_id}")).body["schedule"] == {"recurrenceInterval": "P1D"}
    await ask(url, "PATCH", f"/jobschedules/{schedule_id}", {"schedule": {}})
    assert "schedule" not in (await ask(url, "GET", f"/jobschedules/{schedule_id}")).body


async def test_a_job_manager_may_try_as_often_as_its_jobs_tasks(url):
    manager = {"id": "m", "commandLine": "true", "constraints": {"retentionTime": "P1D"}}
    job_id = new_id("recorded")
    limits = {"maxTaskRetryCount": 2}
    body = {"id": job_id, "jobManagerTask": manager, "constraints": limits, "poolInfo": {"poolId": "none"}}
    await ask(url, "POST", "/jobs", body)
    expected = {"maxWallClockTime": UNLIMITED, "retentionTime": "P1D", "maxTaskRetryCount": 2}
    seen = (await ask(url, "GET", f"/jobs/{job_id}")).body["jobManagerTask"]["constraints"]
    assert seen == expected == (await ask(url, "GET", f"/jobs/{job_id}/tasks/m")).body["constraints"]


async def test_the_counts_of_nodes_have_all_states(url):
    """`test_batch_create_pools`."""
    pool_id = await new_pool(url)
    counts = await ask(url, "GET", "/nodecounts")
    assert counts.body["odata.metadata"] == f"{url}/$metadata#poolnodecounts"
    (of_pool,) = [each for each in counts.body["value"] if each["poolId"] == pool_id]
    none = dict.fromkeys(
        [
            *("creating", "deallocated", "deallocating", "idle", "leavingPool", "offline", "preempted", "rebooting"),
            *("reimaging", "running", "starting", "startTaskFailed", "unusable", "unknown", "upgradingOS"),
            *("waitingForStartTask", "total"),
        ],
        0,
    )
    assert of_pool == {"poolId": pool_id, "dedicated": none, "lowPriority": none}


async def test_the_counts_of_tasks_have_a_name_of_their_own(url, job):
    """`should_count_tasks`, `JobOperations`."""
    counts = await ask(url, "GET", f"/jobs/{job}/taskcounts")
    assert names(counts) == BODY
    assert counts.body["odata.metadata"] == f"{url}/$metadata#taskcountsresult/@Element"


async def test_a_file_of_a_linux_node_has_no_time_of_creation(url, batch, job):
    """`should_list_task_files`, `should_get_task_file_properties`."""
    await batch.run(job, "/bin/echo hello")
    listed = (await ask(url, "GET", f"/jobs/{job}/tasks/task/files")).body["value"]
    (stdout,) = [each for each in listed if each["name"] == "stdout.txt"]
    assert stdout["properties"].keys() == {"lastModified", "contentLength", "contentType", "fileMode"}
    head = await ask(url, "HEAD", f"/jobs/{job}/tasks/task/files/stdout.txt")
    described = {"ocp-batch-file-isdirectory", "ocp-batch-file-mode", "ocp-batch-file-url"}
    assert names(head) == BODY | described | {"last-modified"}


async def test_a_task_that_is_ended_while_it_waits_was_on_no_node(url, batch, idle_job):
    """`should_terminate_a_task`."""
    await batch.task(idle_job, "/bin/true")
    await batch.client.terminate_task(idle_job, "task")
    task = (await ask(url, "GET", f"/jobs/{idle_job}/tasks/task")).body
    assert task["nodeInfo"] == {}
    assert task["executionInfo"] == {
        "endTime": task["stateTransitionTime"],
        "failureInfo": {"category": "UserError", "code": "TaskEnded", "message": "Task Was Ended by User Request"},
        "result": "failure",
        "retryCount": 0,
        "requeueCount": 0,
    }


async def test_added_tasks_and_subtasks_have_names_of_their_own(url, idle_job):
    """`AddTaskCollection`, `TaskListSubTasks`."""
    body = {"value": [{"id": "Task1", "commandLine": "true"}]}
    added = await ask(url, "POST", f"/jobs/{idle_job}/addtaskcollection", body)
    assert names(added) == BODY
    assert added.body["odata.metadata"] == f"{url}/$metadata#taskaddresult"
    assert [result.keys() for result in added.body["value"]] == [
        {"status", "taskId", "eTag", "lastModified", "location"}
    ]
    subtasks = await ask(url, "GET", f"/jobs/{idle_job}/tasks/Task1/subtasksinfo")
    assert subtasks.body == {"odata.metadata": f"{url}/$metadata#subtaskinfo", "value": []}


async def test_the_extensions_of_a_node_are_not_upgraded_where_nothing_else_is_said(url, batch):
    """`test_batch_compute_node_extensions` of the Python client."""
    pool_id = await batch.ready_pool(1)
    (node,) = await nodes_of(batch, pool_id)
    (agent,) = (await ask(url, "GET", f"/pools/{pool_id}/nodes/{node.id}/extensions")).body["value"]
    assert agent["vmExtension"] == {
        "name": "batchNodeExtension",
        "publisher": "Microsoft.Azure.Extensions",
        "type": "CustomScript",
        "typeHandlerVersion": "2.1",
        "autoUpgradeMinorVersion": True,
        "enableAutomaticUpgrade": False,
    }


async def test_a_job_that_is_ending_reports_the_nodes_whose_release_it_awaits(url, batch):
    """`JobOperations`."""
    job = await batch.job(
        await batch.ready_pool(1),
        job_preparation_task={"commandLine": "/bin/true"},
        job_release_task={"commandLine": "/bin/sleep 60"},
    )
    await batch.run(job, "/bin/true")
    await ask(url, "POST", f"/jobs/{job}/terminate", {"terminateReason": "enough"})

    async def awaiting():
        return (await ask(url, "GET", f"/jobs/{job}")).body["executionInfo"].get("schedulingError")

    assert await until(awaiting) == {
        "category": "ServerError",
        "code": "JobTerminationAwaitingNodeProcessing",
        "message": "The Job termination operation is waiting for processing from one or more node.",
        "details": [{"name": "Number of nodes awaiting processing", "value": "1"}],
    }
    deleted = await send(url, "DELETE", f"/jobs/{job}", {"force": "true"})
    assert deleted.status == 202
