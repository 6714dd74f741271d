"""Run a task that reads and writes blobs of Azurite by the identity that the emulator plays, as in compose.yaml.

    python tests/batch_emulator/running/storage.py [ENDPOINT] [BLOB_ENDPOINT]

Needs azure-batch and azure-storage-blob, and a name `azurite` that leads to Azurite here, too.
"""

import sys
import time

from azure.batch import BatchClient
from azure.batch import models as batch
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient

BATCH_KEY = "u+OhrmOvQIdtH326o1XZ1h02bGWKaILaJ6CJz8NEVBijlorYx6aJHkUrqm4BfYFIdNA9jZ8rARIWAhR15ac0Lw=="
STORAGE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
IDENTITY = "/subscriptions/x/resourceGroups/x/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
SECONDS = 60


def main(endpoint: str = "http://127.0.0.1:10003", blob_endpoint: str = "http://azurite:10000/devstoreaccount1") -> int:
    box = ContainerClient(blob_endpoint, "box", credential=AzureNamedKeyCredential("devstoreaccount1", STORAGE_KEY))
    box.create_container()
    box.upload_blob("in.txt", b"by way of Azurite")
    client = BatchClient(endpoint, AzureNamedKeyCredential("devbatchaccount1", BATCH_KEY))
    ubuntu = batch.BatchVmImageReference(publisher="canonical", offer="ubuntu-24_04-lts", sku="server")
    machine = batch.VirtualMachineConfiguration(image_reference=ubuntu, node_agent_sku_id="batch.node.ubuntu 24.04")
    client.create_pool(
        batch.BatchPoolCreateOptions(
            id="box", vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=1
        )
    )
    client.create_job(batch.BatchJobCreateOptions(id="box", pool_info=batch.BatchPoolInfo(pool_id="box")))
    identity = batch.BatchNodeIdentityReference(resource_id=IDENTITY)
    there = batch.OutputFileBlobContainerDestination(container_url=box.url, identity_reference=identity)
    client.create_task(
        "box",
        batch.BatchTaskCreateOptions(
            id="copy",
            command_line="/bin/sh -c 'cat in.txt > out.txt'",
            resource_files=[
                batch.ResourceFile(http_url=f"{box.url}/in.txt", file_path="in.txt", identity_reference=identity)
            ],
            output_files=[
                batch.OutputFile(
                    file_pattern="out.txt",
                    destination=batch.OutputFileDestination(container=there),
                    upload_options=batch.OutputFileUploadConfiguration(
                        upload_condition=batch.OutputFileUploadCondition.TASK_SUCCESS
                    ),
                )
            ],
        ),
    )
    deadline = time.monotonic() + SECONDS
    while (task := client.get_task("box", "copy")).state != batch.BatchTaskState.COMPLETED:
        if time.monotonic() > deadline:
            raise TimeoutError(task.state)
        time.sleep(0.2)
    if task.execution_info.failure_info:
        print(task.execution_info.failure_info.as_dict(), file=sys.stderr)
        return 1
    print(box.download_blob("out.txt").readall().decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
