"""Do the job in the way of Microsoft's quickstart: https://learn.microsoft.com/azure/batch/quick-run-python .

    (started by peers.py: the settings are in the environment)

One call after the other, with the SDKs' synchronous clients: upload each file; add the tasks, a hundred a call, when
all files have arrived; list all tasks, each second, until all have completed; then for each look at the task and read
its standard output, and print it. As the quickstart does, it writes no output to a container, does not look at standard
error, and keeps what it knows in its memory.

Prints, as JSON, seconds from the first upload to the last output, its processor time, and the most memory it had.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Final, TextIO

from azure.batch import BatchClient
from azure.batch.models import (
    BatchJobCreateOptions,
    BatchPoolInfo,
    BatchTaskCreateOptions,
    BatchTaskGroup,
    ResourceFile,
)
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas
from dropping import content, names

JOB: Final = "quickstart"
COLLECTION: Final = 100


def upload(blobs: BlobServiceClient, name: str) -> ResourceFile:
    """Upload a file; return what a task downloads."""
    blob = blobs.get_blob_client(os.environ["INPUT_CONTAINER"], name)
    blob.upload_blob(content(name), overwrite=True)
    token = generate_blob_sas(
        account_name=str(blobs.account_name),
        container_name=blob.container_name,
        blob_name=name,
        account_key=blobs.credential.account_key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=2),
    )
    return ResourceFile(http_url=f"{blob.url}?{token}", file_path=name)


def add_tasks(batch: BatchClient, inputs: Iterable[ResourceFile]) -> None:
    tasks = [
        BatchTaskCreateOptions(
            id=f"Task{number}", command_line=f'/bin/bash -c "cat {one.file_path}"', resource_files=[one]
        )
        for number, one in enumerate(inputs)
    ]
    for some in batched(tasks, COLLECTION, strict=False):
        batch.create_task_collection(JOB, BatchTaskGroup(task_values=list(some)))


def wait_for_tasks(batch: BatchClient) -> None:
    while any(task.state != "completed" for task in list(batch.list_tasks(JOB))):
        time.sleep(1)


def print_outputs(batch: BatchClient, to: TextIO) -> None:
    for task in batch.list_tasks(JOB):
        node = batch.get_task(JOB, str(task.id)).node_info
        print(f"Task: {task.id}\nNode: {node.node_id if node else None}", file=to)
        stdout = b"".join(batch.download_task_file(JOB, str(task.id), "stdout.txt"))
        print(f"Standard output:\n{stdout.decode()}", file=to)


def run(files: int, printed: Path) -> float:
    """Do the job with so many files, and print into a file; return the seconds that it took."""
    key = AzureNamedKeyCredential(os.environ["BATCH_ACCOUNT_NAME"], os.environ["BATCH_ACCOUNT_KEY"])
    with (
        BatchClient(os.environ["BATCH_ENDPOINT"], key) as batch,
        BlobServiceClient.from_connection_string(os.environ["DATA_STORAGE"]) as blobs,
        printed.open("w", encoding="utf-8") as to,
    ):
        began = time.monotonic()
        inputs = [upload(blobs, name) for name in names(files)]
        batch.create_job(BatchJobCreateOptions(id=JOB, pool_info=BatchPoolInfo(pool_id=os.environ["BATCH_POOL_ID"])))
        add_tasks(batch, inputs)
        wait_for_tasks(batch)
        print_outputs(batch, to)
        return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--printed", type=Path, required=True)
    arguments = parser.parse_args()
    before = time.process_time()
    seconds = run(arguments.files, arguments.printed)
    processor, peak = time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "processor_seconds": processor, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
