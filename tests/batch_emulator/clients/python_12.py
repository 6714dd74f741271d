"""The calls of Microsoft's samples for Python, with the packages that they pin: azure-batch 12.0.0.

https://github.com/Azure-Samples/azure-batch-samples, Python/Batch: a job with a pool of its own, with preparation and
release; a pool with a start task of an image looked up in the list, and a script for it and for a task in Storage; a
schedule whose job's manager is its only task. They look every five seconds whether a job is done. The arguments are
URL, account and key of the Batch emulator, then those of Azurite. Runs in an environment of its own (see __main__.py),
so it imports nothing of this project.
"""

import sys
import time
from datetime import UTC, datetime, timedelta

from azure.batch import BatchServiceClient, models
from azure.batch.batch_auth import SharedKeyCredentials
from azure.storage.blob import BlobServiceClient
from expectations import code_of, output, until
from storage_files import make_container, upload

ID = "python-12"
JAMMY = models.ImageReference(publisher="canonical", offer="0001-com-ubuntu-server-jammy", sku="22_04-lts")
MACHINE = models.VirtualMachineConfiguration(image_reference=JAMMY, node_agent_sku_id="batch.node.ubuntu 22.04")
LOOK = 5


def own_pool(prefix):
    pool = models.PoolSpecification(
        vm_size="STANDARD_DS1_V2", target_dedicated_nodes=1, virtual_machine_configuration=MACHINE
    )
    return models.PoolInformation(
        auto_pool_specification=models.AutoPoolSpecification(
            auto_pool_id_prefix=prefix,
            pool=pool,
            keep_alive=False,
            pool_lifetime_option=models.PoolLifetimeOption.job,
        )
    )


def in_shell(command):
    return f"/bin/bash -c 'set -e; set -o pipefail; {command}; wait'"


def wait_for_tasks(client, job_id):
    """Look every five seconds, as the samples do, and no oftener: a job's pool may be on its way out meanwhile."""
    deadline = time.monotonic() + 60
    while {task.state for task in client.task.list(job_id)} != {models.TaskState.completed}:
        assert time.monotonic() < deadline, "the tasks do not complete"
        time.sleep(LOOK)


def hello_world(client):
    client.job.add(models.JobAddParameter(id="python-12-hello", pool_info=own_pool("HelloWorld")))
    task = models.TaskAddParameter(id="HelloWorld", command_line=in_shell("echo Hello world"))
    client.task.add(job_id="python-12-hello", task=task)
    wait_for_tasks(client, "python-12-hello")
    assert output(client, "python-12-hello", "HelloWorld") == b"Hello world\n"
    client.job.delete("python-12-hello")


def preparation_and_release(client):
    job = models.JobAddParameter(id="python-12-prepared", pool_info=own_pool("JobPrep"))
    job.job_preparation_task = models.JobPreparationTask(
        command_line=in_shell("echo prepared > $AZ_BATCH_NODE_SHARED_DIR/note")
    )
    job.job_release_task = models.JobReleaseTask(command_line=in_shell("echo released"))
    client.job.add(job)
    task = models.TaskAddParameter(id="task", command_line=in_shell("cat $AZ_BATCH_NODE_SHARED_DIR/note"))
    client.task.add(job_id=job.id, task=task)
    wait_for_tasks(client, job.id)
    assert output(client, job.id, "task") == b"prepared\n"
    # The sample for .NET looks what became of both, which only a job that is not deleted yet can say.
    client.job.terminate(job.id)
    until(lambda: client.job.get(job.id).state, models.JobState.completed)
    (node,) = client.job.list_preparation_and_release_task_status(job.id)
    assert node.job_preparation_task_execution_info.exit_code == 0
    assert node.job_release_task_execution_info.exit_code == 0
    client.job.delete(job.id)


def pool_of_a_listed_image(client):
    options = models.AccountListSupportedImagesOptions(filter="verificationType eq 'verified'")
    images = client.account.list_supported_images(account_list_supported_images_options=options)
    image = next(each for each in images if each.image_reference.offer == JAMMY.offer)
    return models.PoolAddParameter(
        id=ID,
        virtual_machine_configuration=models.VirtualMachineConfiguration(
            image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id
        ),
        vm_size="STANDARD_DS1_V2",
        target_dedicated_nodes=1,
    )


def pool_and_resource_files(client, blobs, key):
    make_container(blobs, ID)
    script = upload(blobs, key, ID, "list.sh", b"echo the files:; ls\n")
    pool = pool_of_a_listed_image(client)
    pool.start_task = models.StartTask(command_line="sh list.sh", resource_files=[script])
    client.pool.add(pool)
    assert code_of(client.pool.add, pool) == "PoolExists"
    client.job.add(models.JobAddParameter(id=ID, pool_info=models.PoolInformation(pool_id=ID)))
    task = models.TaskAddParameter(id="task", command_line="sh list.sh", resource_files=[script])
    client.task.add(job_id=ID, task=task)
    wait_for_tasks(client, ID)
    assert output(client, ID, "task") == b"the files:\nlist.sh\n"
    assert client.pool.get(ID).resize_errors is None
    (node,) = client.compute_node.list(ID)
    started = b"".join(client.file.get_from_compute_node(ID, node.id, "startup/stdout.txt"))
    assert started == b"the files:\nlist.sh\n"
    blobs.delete_container(ID)
    client.job.delete(ID)
    client.pool.delete(ID)


def schedule(client):
    """The manager of the job ends it, and with it the pool: its output is read up to five seconds later."""
    manager = models.JobManagerTask(id="JobManagerTask", command_line=in_shell("echo managed"))
    specification = models.JobSpecification(
        pool_info=own_pool("JobScheduler"),
        on_all_tasks_complete=models.OnAllTasksComplete.terminate_job,
        job_manager_task=manager,
    )
    end = datetime.now(UTC) + timedelta(minutes=30)
    client.job_schedule.add(
        cloud_job_schedule=models.JobScheduleAddParameter(
            id=ID,
            schedule=models.Schedule(do_not_run_after=end, recurrence_interval=timedelta(minutes=10)),
            job_specification=specification,
        )
    )
    job_id = client.job_schedule.get(job_schedule_id=ID).execution_info.recent_job.id
    wait_for_tasks(client, job_id)
    assert client.job.get(job_id).state in {models.JobState.terminating, models.JobState.completed}
    assert output(client, job_id, "JobManagerTask") == b"managed\n"
    client.job_schedule.delete(ID)


def main(url, account, key, blob_url, blob_key):
    client = BatchServiceClient(SharedKeyCredentials(account, key), batch_url=url)
    client.config.retry_policy.retries = 5
    blobs = BlobServiceClient(account_url=blob_url, credential=blob_key)
    for step in (hello_world, preparation_and_release, schedule):
        step(client)
        print(f"azure-batch 12.0.0: {step.__name__}: as expected")
    pool_and_resource_files(client, blobs, blob_key)
    print("azure-batch 12.0.0: pool_and_resource_files: as expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
