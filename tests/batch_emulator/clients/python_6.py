"""azure-batch 6.0.1 of 2019, the oldest version of the API that is served: URL, account and key are the arguments.

Runs in an environment of its own (see __main__.py), so it imports nothing of this project.
"""

import sys

from azure.batch import BatchServiceClient, models
from azure.batch.batch_auth import SharedKeyCredentials
from expectations import code_of, output, until

ID = "python-6"


def agents(client):
    """Return a node agent and an image of it, as they were listed then."""
    listed = {agent.id: agent for agent in client.account.list_node_agent_skus()}
    agent = listed["batch.node.ubuntu 24.04"]
    assert agent.os_type == models.OSType.linux
    return models.VirtualMachineConfiguration(
        image_reference=agent.verified_image_references[0], node_agent_sku_id=agent.id
    )


def pools(client, machine):
    pool = models.PoolAddParameter(
        id=ID, vm_size="small", virtual_machine_configuration=machine, target_dedicated_nodes=1, max_tasks_per_node=3
    )
    client.pool.add(pool)
    until(lambda: [node.state for node in client.compute_node.list(ID)], [models.ComputeNodeState.idle])
    assert client.pool.get(ID).max_tasks_per_node == 3
    (listed,) = client.pool.list(models.PoolListOptions(filter=f"id eq '{ID}'", select="id,maxTasksPerNode"))
    assert (listed.id, listed.max_tasks_per_node) == (ID, 3)


def tasks(client):
    client.job.add(models.JobAddParameter(id=ID, pool_info=models.PoolInformation(pool_id=ID)))
    commands = {"good": "/bin/echo hello", "bad": "/bin/false"}
    added = [models.TaskAddParameter(id=name, command_line=line) for name, line in commands.items()]
    results = client.task.add_collection(ID, added).value
    assert {result.status for result in results} == {models.TaskAddStatus.success}
    until(lambda: client.job.get_task_counts(ID).completed, 2)
    counts = client.job.get_task_counts(ID)
    assert (counts.active, counts.running, counts.succeeded, counts.failed) == (0, 0, 1, 1)
    assert output(client, ID, "good") == b"hello\n"
    assert code_of(client.task.get, ID, "none") == "TaskNotFound"


def removal(client):
    client.job.delete(ID)
    client.pool.delete(ID)
    until(lambda: client.pool.exists(ID), expected=False)


def main(url, account, key):
    client = BatchServiceClient(SharedKeyCredentials(account, key), batch_url=url)
    machine = agents(client)
    pools(client, machine)
    tasks(client)
    removal(client)
    print("azure-batch 6.0.1: node agents, task counts, tasks of a node: as expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
