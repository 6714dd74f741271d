"""The calls of Microsoft's ffmpeg tutorial for Python, with the packages that it pins: azure-batch 6.0.0.

https://github.com/Azure-Samples/batch-python-ffmpeg-tutorial: videos in Storage, a pool of Spot nodes with a start
task, a task for each video, whose sound goes to another container. The start task only looks for ffmpeg, which it
installs in the tutorial. The arguments are URL, account and key of the Batch emulator, then those of Azurite. Runs in
an environment of its own (see __main__.py), so it imports nothing of this project.
"""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from azure.batch import BatchServiceClient, models
from azure.batch.batch_auth import SharedKeyCredentials
from azure.storage.blob import BlobPermissions, BlockBlobService
from expectations import until

ID = "python-ffmpeg"
INPUT, OUTPUT = "ffmpeg-input", "ffmpeg-output"
FFMPEG = shutil.which("ffmpeg")
NAMES = [f"video-{number}.mp4" for number in range(3)]
# An image that the service no longer supports.
MACHINE = models.VirtualMachineConfiguration(
    image_reference=models.ImageReference(
        publisher="Canonical", offer="UbuntuServer", sku="18.04-LTS", version="latest"
    ),
    node_agent_sku_id="batch.node.ubuntu 18.04",
)
ADMIN = models.UserIdentity(
    auto_user=models.AutoUserSpecification(scope=models.AutoUserScope.pool, elevation_level=models.ElevationLevel.admin)
)


def video():
    """Make a video of a second with a tone."""
    sources = ["-f", "lavfi", "-i", "testsrc=duration=1:size=64x64", "-f", "lavfi", "-i", "sine=duration=1"]
    # A stream cannot be rewound for the index that MP4 otherwise has in front.
    target = ["-f", "mp4", "-movflags", "frag_keyframe+empty_moov", "-"]
    return subprocess.run([FFMPEG, "-v", "error", *sources, *target], capture_output=True, check=True).stdout


def token(blobs, container, permission):
    expiry = datetime.now(UTC) + timedelta(hours=2)
    return blobs.generate_container_shared_access_signature(container, permission=permission, expiry=expiry)


def uploads(blobs, content):
    """Upload the videos; return a resource file for each."""
    for container in (INPUT, OUTPUT):
        blobs.create_container(container, fail_on_exist=False)
    for name in NAMES:
        blobs.create_blob_from_bytes(INPUT, name, content)
    sas = token(blobs, INPUT, BlobPermissions.READ)
    return [
        models.ResourceFile(file_path=name, http_url=blobs.make_blob_url(INPUT, name, sas_token=sas)) for name in NAMES
    ]


def pool_and_job(client):
    look = "command -v ffmpeg" if FFMPEG else "true"
    client.pool.add(
        models.PoolAddParameter(
            id=ID,
            virtual_machine_configuration=MACHINE,
            vm_size="STANDARD_A1_v2",
            target_dedicated_nodes=0,
            target_low_priority_nodes=5,
            start_task=models.StartTask(
                command_line=f'/bin/bash -c "{look}"', wait_for_success=True, user_identity=ADMIN
            ),
        )
    )
    client.job.add(models.JobAddParameter(id=ID, pool_info=models.PoolInformation(pool_id=ID)))


def tasks(client, files, container_url):
    client.task.add_collection(ID, [task(number, file, container_url) for number, file in enumerate(files)])
    until(lambda: {task.state for task in client.task.list(ID)}, {models.TaskState.completed}, 60)
    results = {task.execution_info.result for task in client.task.list(ID)}
    assert results == {models.TaskExecutionResult.success}, results


def task(number, file, container_url):
    sound = sound_of(file.file_path)
    command = f"ffmpeg -i {file.file_path} {sound}" if FFMPEG else f"cp {file.file_path} {sound}"
    container = models.OutputFileBlobContainerDestination(container_url=container_url)
    return models.TaskAddParameter(
        id=f"Task{number}",
        command_line=f'/bin/bash -c "{command} "',
        resource_files=[file],
        output_files=[
            models.OutputFile(
                file_pattern=sound,
                destination=models.OutputFileDestination(container=container),
                upload_options=models.OutputFileUploadOptions(
                    upload_condition=models.OutputFileUploadCondition.task_success
                ),
            )
        ],
    )


def sound_of(name):
    return name.removesuffix(".mp4") + ".mp3"


def sounds(blobs, content):
    """What tasks have uploaded: MP3, by its tag, or a copy where there is no ffmpeg."""
    assert [blob.name for blob in blobs.list_blobs(OUTPUT)] == [sound_of(name) for name in NAMES]
    for name in NAMES:
        found = blobs.get_blob_to_bytes(OUTPUT, sound_of(name)).content
        assert found.startswith(b"ID3") if FFMPEG else found == content, found[:20]


def nodes(client):
    """The start task has run on five Spot nodes, and there is no other node."""
    seen = list(client.compute_node.list(ID))
    assert [node.is_dedicated for node in seen] == [False] * 5
    assert {node.start_task_info.exit_code for node in seen} == {0}


def removal(client, blobs):
    for container in (INPUT, OUTPUT):
        blobs.delete_container(container)
    client.job.delete(ID)
    client.pool.delete(ID)
    until(lambda: client.pool.exists(ID), expected=False)


def main(url, account, key, blob_url, _blob_key):
    # The client knows Azurite's account and key by itself.
    blobs = BlockBlobService(is_emulated=True, custom_domain=urlsplit(blob_url).netloc)
    client = BatchServiceClient(SharedKeyCredentials(account, key), batch_url=url)
    content = video() if FFMPEG else b"not a video"
    files = uploads(blobs, content)
    pool_and_job(client)
    tasks(client, files, f"{blob_url}/{OUTPUT}?{token(blobs, OUTPUT, BlobPermissions.WRITE)}")
    sounds(blobs, content)
    nodes(client)
    removal(client, blobs)
    note = "" if FFMPEG else " (nothing converted: ffmpeg is not installed)"
    print(f"azure-batch 6.0.0: the ffmpeg tutorial: as expected{note}")


if __name__ == "__main__":
    main(*sys.argv[1:])
