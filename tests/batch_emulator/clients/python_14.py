"""azure-batch 14.2.0 against an emulator: URL, account and key are the arguments.

Runs in an environment of its own (see __main__.py), so it imports nothing of this project.
"""

import sys

from azure.batch import BatchServiceClient, models
from azure.batch.batch_auth import SharedKeyCredentials
from expectations import code_of, until

POOL = models.PoolAddParameter(
    id="python-14",
    vm_size="standard_d2s_v3",
    virtual_machine_configuration=models.VirtualMachineConfiguration(
        image_reference=models.ImageReference(
            publisher="canonical", offer="ubuntu-24_04-lts", sku="server", version="latest"
        ),
        node_agent_sku_id="batch.node.ubuntu 24.04",
    ),
    target_dedicated_nodes=1,
    task_slots_per_node=2,
)


def pools(client):
    client.pool.add(POOL)
    assert client.pool.exists("python-14")
    assert not client.pool.exists("none")
    assert code_of(client.pool.add, POOL) == "PoolExists"
    until(lambda: [node.state.value for node in client.compute_node.list("python-14")], ["idle"])
    pool = client.pool.get("python-14")
    assert (pool.state.value, pool.allocation_state.value, pool.current_dedicated_nodes) == ("active", "steady", 1)
    options = models.PoolListOptions(filter="state eq 'active'", select="id,state")
    assert "python-14" in [each.id for each in client.pool.list(options)]
    client.pool.resize("python-14", models.PoolResizeParameter(target_dedicated_nodes=2))
    until(lambda: client.pool.get("python-14").current_dedicated_nodes, 2)


def jobs(client):
    info = models.PoolInformation(pool_id="python-14")
    client.job.add(models.JobAddParameter(id="python-14", pool_info=info, priority=5))
    job = client.job.get("python-14")
    assert (job.state.value, job.priority, job.execution_info.pool_id) == ("active", 5, "python-14")
    client.job.patch("python-14", models.JobPatchParameter(priority=7))
    assert client.job.get("python-14").priority == 7
    assert code_of(client.job.get, "none") == "JobNotFound"


def tasks(client):
    outcome = client.task.add_collection(
        "python-14",
        [
            models.TaskAddParameter(id="good", command_line="/bin/sh -c 'echo hello; echo oh >&2'"),
            models.TaskAddParameter(id="bad", command_line="/bin/sh -c 'exit 3'"),
        ],
    )
    assert {(each.task_id, each.status.value) for each in outcome.value} == {("good", "success"), ("bad", "success")}
    again = models.TaskAddParameter(id="good", command_line="/bin/true")
    assert code_of(client.task.add, "python-14", again) == "TaskExists"
    until(lambda: {task.state.value for task in client.task.list("python-14")}, {"completed"})
    failed = models.TaskListOptions(filter="executionInfo/result eq 'failure'", max_results=1)
    (bad,) = client.task.list("python-14", failed)
    assert (bad.id, bad.execution_info.exit_code, bad.execution_info.failure_info.code) == ("bad", 3, "FailureExitCode")
    counts = client.job.get_task_counts("python-14").task_counts
    assert (counts.completed, counts.succeeded, counts.failed) == (2, 1, 1)
    client.task.reactivate("python-14", "bad")
    until(lambda: client.task.get("python-14", "bad").state.value, "completed")


def files(client):
    content = b"".join(client.file.get_from_task("python-14", "good", "stdout.txt"))
    assert content == b"hello\n"
    part = models.FileGetFromTaskOptions(ocp_range="bytes=1-3")
    assert b"".join(client.file.get_from_task("python-14", "good", "stdout.txt", part)) == b"ell"
    listed = {file.name for file in client.file.list_from_task("python-14", "good")}
    assert listed == {"stdout.txt", "stderr.txt", "wd"}
    headers = client.file.get_properties_from_task("python-14", "good", "stdout.txt", raw=True).headers
    assert (int(headers["Content-Length"]), headers["ocp-batch-file-isdirectory"]) == (6, False)
    assert code_of(client.file.get_from_task, "python-14", "good", "none.txt") == "FileNotFound"


def schedules(client):
    info = models.PoolInformation(pool_id="python-14")
    client.job_schedule.add(
        models.JobScheduleAddParameter(
            id="python-14-schedule",
            schedule=models.Schedule(recurrence_interval="P1D"),
            job_specification=models.JobSpecification(pool_info=info),
        )
    )
    job_id = client.job_schedule.get("python-14-schedule").execution_info.recent_job.id
    assert job_id == "python-14-schedule:job-1"
    client.task.add(job_id, models.TaskAddParameter(id="task", command_line="/bin/echo scheduled"))
    until(lambda: client.task.get(job_id, "task").state.value, "completed")
    assert b"".join(client.file.get_from_task(job_id, "task", "stdout.txt")) == b"scheduled\n"
    client.job_schedule.delete("python-14-schedule")
    until(lambda: client.job_schedule.exists("python-14-schedule"), expected=False)


def certificates(client):
    """Certificates are no longer part of the service: a proper refusal, not an accident."""
    assert code_of(lambda: list(client.certificate.list())) == "ResourceNotFound"


def removal(client):
    client.job.terminate("python-14", "enough")
    until(lambda: client.job.get("python-14").state.value, "completed")
    assert client.job.get("python-14").execution_info.terminate_reason == "enough"
    client.job.delete("python-14")
    client.pool.delete("python-14")
    until(lambda: client.pool.exists("python-14"), expected=False)


def main(url, account, key):
    client = BatchServiceClient(SharedKeyCredentials(account, key), url)
    for step in (pools, jobs, tasks, files, schedules, certificates, removal):
        step(client)
        print(f"azure-batch 14.2.0: {step.__name__}: as expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
