"""Identities and auto-storage, played for a real Azurite."""

import pytest
from azure.batch.models import BatchNodeIdentityReference, ResourceFile

from batch_emulator.execution.storage_account import StorageAccount
from batch_emulator.server import running
from batch_emulator.settings import Settings
from tests.batch_emulator.execution.test_output_files import output

IDENTITY = BatchNodeIdentityReference(resource_id="/subscriptions/s/resourceGroups/g/identities/i")


@pytest.fixture(scope="module")
async def identified_job(identified):
    return await identified.job(await identified.ready_pool())


async def test_an_identity_reads_blobs_and_containers_and_writes_output(identified, identified_job, boxes):
    box = await boxes.container(one=b"1", two=b"2")
    files = [
        ResourceFile(http_url=boxes.url(box, "one"), file_path="x", identity_reference=IDENTITY),
        ResourceFile(storage_container_url=boxes.url(box), file_path="all", identity_reference=IDENTITY),
        ResourceFile(auto_storage_container_name=box, blob_prefix="tw", file_path="auto"),
    ]
    outputs = [output("../stdout.txt", boxes.url(box), "out", identity_reference=IDENTITY)]
    command = "/bin/cat x all/one all/two auto/two"
    task = await identified.run(identified_job, command, resource_files=files, output_files=outputs)
    assert task.execution_info.failure_info is None
    assert await boxes.read(box, "out") == b"1122"


@pytest.mark.parametrize("source", [{"http_url": "{url}"}, {"auto_storage_container_name": "missing-box"}])
async def test_what_is_not_there_is_not_found(identified, identified_job, boxes, source):
    url = boxes.url(await boxes.container(), "missing")
    source = {name: text.format(url=url) for name, text in source.items()}
    file = ResourceFile(**source, file_path="x", identity_reference=IDENTITY)
    task = await identified.run(identified_job, "/bin/true", task_id="-".join(source), resource_files=[file])
    assert task.execution_info.failure_info.code == "BlobNotFound"


async def test_a_signature_never_goes_to_another_server(identified, identified_job):
    file = ResourceFile(http_url="http://127.0.0.1:9/devstoreaccount1/b/x", file_path="x", identity_reference=IDENTITY)
    task = await identified.run(identified_job, "/bin/true", task_id="elsewhere", resource_files=[file])
    assert "plays identities for http://127.0.0.1" in str(task.execution_info.failure_info.as_dict())


@pytest.mark.parametrize(
    "file",
    [{"http_url": "http://h/x", "identity_reference": IDENTITY}, {"auto_storage_container_name": "box"}],
)
async def test_without_an_account_the_failure_says_what_to_start_it_with(batch, job, file):
    task = await batch.run(job, "/bin/true", resource_files=[ResourceFile(**file, file_path="x")])
    info = task.execution_info.failure_info
    assert info.code == "BlobAccessDenied"
    assert "--storage CONNECTION_STRING" in str(info.as_dict())


async def test_output_with_an_identity_needs_an_account(batch, job):
    outputs = [output("../stdout.txt", "http://127.0.0.1:9/x", identity_reference=IDENTITY)]
    info = (await batch.run(job, "/bin/true", output_files=outputs)).execution_info.failure_info
    assert info.code == "FileUploadAccessDenied"
    assert "--storage CONNECTION_STRING" in str(info.as_dict())


@pytest.mark.parametrize(
    ("connection_string", "endpoint"),
    [
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10000/devstoreaccount1"),
        ("AccountName=a;AccountKey=a2V5", "https://a.blob.core.windows.net"),
        (
            "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;EndpointSuffix=core.example",
            "http://a.blob.core.example",
        ),
        ("AccountName=a;AccountKey=a2V5;BlobEndpoint=http://h:1/a/;", "http://h:1/a"),
    ],
)
def test_a_connection_string_names_the_blob_service(connection_string, endpoint):
    account = StorageAccount.parse(connection_string)
    assert account.endpoint == endpoint
    assert "a2V5" not in repr(account)


@pytest.mark.parametrize(
    "connection_string",
    ["nonsense", "AccountName=a", "AccountName=a;AccountKey=se?cret", "AccountName=a;AccountKey=a2V5;BlobEndpoint=x"],
)
async def test_a_connection_string_that_cannot_be_used_is_refused_without_repeating_it(connection_string):
    with pytest.raises(ValueError, match=r"(?i)storage connection string") as caught:
        async with running(Settings(port=0, location=None, storage=connection_string)):
            pass
    assert "se?cret" not in str(caught.value)


def test_only_urls_of_the_account_are_signed():
    account = StorageAccount.parse("AccountName=a;AccountKey=a2V5;BlobEndpoint=http://h:1/a")
    assert account.holds("http://H:1/a/box/blob")
    for url in (
        "http://h:1/ab/box",
        "http://h:2/a/box",
        "https://h:1/a/box",
        "http://h:1@evil/a/box",
        "http://evil/a/x",
    ):
        assert not account.holds(url)
    assert account.signed("http://h:1/a/box?sig=own") == "http://h:1/a/box?sig=own"
