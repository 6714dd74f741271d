"""The calls of Microsoft's quickstart for Python, with the packages that it pins: azure-batch 11.0.0.

https://github.com/Azure-Samples/batch-python-quickstart: files in Storage, a pool, a job, a task for each file. The
arguments are URL, account and key of the Batch emulator, then those of Azurite. Runs in an environment of its own (see
__main__.py), so it imports nothing of this project.
"""

import sys

from azure.batch import BatchServiceClient, models
from azure.batch.batch_auth import SharedKeyCredentials
from azure.storage.blob import BlobServiceClient
from expectations import code_of, output, until
from storage_files import make_container, upload

ID = "python-11"
FILES = {f"taskdata{number}.txt": f"text of file {number}\n".encode() for number in range(3)}
# The image that the quickstart names, although the service's support of it has ended.
MACHINE = models.VirtualMachineConfiguration(
    image_reference=models.ImageReference(
        publisher="canonical", offer="0001-com-ubuntu-server-focal", sku="20_04-lts", version="latest"
    ),
    node_agent_sku_id="batch.node.ubuntu 20.04",
)


def uploads(blobs, key):
    """Upload the files; return a resource file for each."""
    make_container(blobs, ID)
    return [upload(blobs, key, ID, name, content) for name, content in FILES.items()]


def pool_and_job(client):
    client.pool.add(
        models.PoolAddParameter(
            id=ID, virtual_machine_configuration=MACHINE, vm_size="STANDARD_DS1_V2", target_dedicated_nodes=2
        )
    )
    client.job.add(models.JobAddParameter(id=ID, pool_info=models.PoolInformation(pool_id=ID)))
    assert code_of(client.job.add, models.JobAddParameter(id=ID, pool_info=models.PoolInformation(pool_id=ID))) == (
        "JobExists"
    )


def tasks(client, files):
    added = [
        models.TaskAddParameter(
            id=f"Task{number}", command_line=f'/bin/bash -c "cat {file.file_path}"', resource_files=[file]
        )
        for number, file in enumerate(files)
    ]
    client.task.add_collection(ID, added)
    until(lambda: {task.state for task in client.task.list(ID)}, {models.TaskState.completed}, 60)


def outputs(client):
    for task, content in zip(client.task.list(ID), FILES.values(), strict=True):
        assert client.task.get(ID, task.id).node_info.node_id
        assert output(client, ID, task.id) == content


def dependencies(client):
    """What became of tasks that depend on others in a job that does not use dependencies."""
    nothing = models.TaskAddParameter(
        id="nothing", command_line="/bin/true", depends_on=models.TaskDependencies(task_ids=[])
    )
    client.task.add_collection(ID, [nothing])
    other = models.TaskAddParameter(
        id="other", command_line="/bin/true", depends_on=models.TaskDependencies(task_ids=["nothing"])
    )
    try:
        client.task.add_collection(ID, [other])
    except Exception as exc:  # noqa: BLE001 - the exception's class has another module in each release
        assert "UnsupportedProperty" in str(exc), exc  # noqa: PT017 - pytest is not installed here
    else:
        raise AssertionError("it was not refused")


def removal(client, blobs):
    blobs.delete_container(ID)
    client.job.delete(ID)
    client.pool.delete(ID)
    until(lambda: client.pool.exists(ID), expected=False)


def main(url, account, key, blob_url, blob_key):
    blobs = BlobServiceClient(account_url=blob_url, credential=blob_key)
    client = BatchServiceClient(SharedKeyCredentials(account, key), batch_url=url)
    files = uploads(blobs, blob_key)
    pool_and_job(client)
    tasks(client, files)
    outputs(client)
    dependencies(client)
    removal(client, blobs)
    print("azure-batch 11.0.0: the quickstart: as expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
