"""Airflow's AzureBatchOperator, of the provider package for Microsoft Azure: URL, account and key are the arguments.

https://github.com/apache/airflow, providers/microsoft/azure. The operator is executed without a scheduler and its
database; its connection is a variable of the environment. It waits 10 seconds for nodes and 15 for tasks wherever it
has to. Its `on_kill` is left out: azure-batch 15.1.0 terminates a job only with options, and the operator gives none.
Runs in an environment of its own (see __main__.py), so it imports nothing of this project.
"""

import asyncio
import json
import os
import sys
from importlib.metadata import version
from tempfile import TemporaryDirectory

ID = "airflow"
VERSIONS = ", ".join(f"{name} {version(name)}" for name in ("apache-airflow-providers-microsoft-azure", "azure-batch"))
POOL = {
    "batch_pool_id": ID,
    "batch_pool_vm_size": "standard_d2s_v3",
    "vm_publisher": "canonical",
    "vm_offer": "ubuntu-24_04-lts",
    "vm_sku": "server",
    "vm_version": "latest",
    "vm_node_agent_sku_id": "batch.node.ubuntu 24.04",
    "target_dedicated_nodes": 1,
}
LISTED_IMAGE = {"use_latest_verified_vm_image_and_sku": True, "sku_starts_with": "server"}


def operator(name, command, **settings):
    """Return an operator that runs a command as the only task of a job of that name."""
    # Airflow reads the environment when it is imported.
    from airflow.providers.microsoft.azure.operators.batch import AzureBatchOperator  # noqa: PLC0415

    job = {"batch_job_id": f"{ID}-{name}", "batch_task_id": name, "batch_task_command_line": command}
    return AzureBatchOperator(task_id=name, **POOL, **job, **settings)


def exception_of(run, expected):
    """Execute an operator that ends with an exception; return that."""
    try:
        run.execute({})
    except expected as exc:
        return exc
    raise AssertionError("it ended without one")


def deferral(run):
    from airflow.sdk.exceptions import TaskDeferred  # noqa: PLC0415

    return exception_of(run, TaskDeferred)


def output(client, name):
    return b"".join(client.download_task_file(f"{ID}-{name}", name, "stdout.txt"))


def connection():
    """The hook's own test of a connection."""
    from airflow.providers.microsoft.azure.hooks.batch import AzureBatchHook  # noqa: PLC0415

    assert AzureBatchHook().test_connection() == (True, "Successfully connected to Azure Batch.")


def a_job_with_preparation():
    """The pool's image is looked up in the list."""
    from azure.batch import models  # noqa: PLC0415

    run = operator(
        "prepared",
        "/bin/sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/note'",
        batch_job_preparation_task=models.BatchJobPreparationTask(
            command_line="/bin/sh -c 'echo prepared > $AZ_BATCH_NODE_SHARED_DIR/note'"
        ),
        batch_job_release_task=models.BatchJobReleaseTask(command_line="/bin/true"),
        **LISTED_IMAGE,
    )
    run.execute({})
    client = run.hook.connection
    assert output(client, "prepared") == b"prepared\n"
    assert client.get_task(f"{ID}-prepared", "prepared").execution_info.exit_code == 0
    # What is there already is taken as it is, and so is the task's result.
    run.execute({})


def a_deferred_task():
    """The operator hands over to its trigger, which looks at the job in the place of a worker."""
    run = operator("deferred", "/bin/echo deferred", deferrable=True, poll_interval=1)
    event = asyncio.run(anext(deferral(run).trigger.run()))
    run.execute_complete({}, event.payload)
    assert output(run.hook.connection, "deferred") == b"deferred\n"


def a_failure_that_leaves_nothing():
    """Job and pool are deleted although the task failed."""
    run = operator("failing", "/bin/false", should_delete_job=True, should_delete_pool=True)
    assert "FailureExitCode" in str(exception_of(run, RuntimeError))
    client = run.hook.connection
    assert ID not in {pool.id for pool in client.list_pools()}
    assert f"{ID}-failing" not in {job.id for job in client.list_jobs()}


def main(url, account, key):
    with TemporaryDirectory(prefix="airflow-") as home:
        os.environ["AIRFLOW_HOME"] = home
        os.environ["AIRFLOW_CONN_AZURE_BATCH_DEFAULT"] = json.dumps(
            {"conn_type": "azure_batch", "login": account, "password": key, "extra": {"account_url": url}}
        )
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
        for step in (
            connection,
            a_job_with_preparation,
            a_deferred_task,
            a_failure_that_leaves_nothing,
        ):
            step()
            print(f"{VERSIONS}: {step.__name__}: as expected", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
