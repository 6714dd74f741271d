import asyncio
import os
import sys

import pytest
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from local.host.connections import Connections
from local.host.errors import BindingError
from local.settings_file import CHECKOUT


@pytest.mark.parametrize("text", ["UseDevelopmentStorage=true", "UseDevelopmentStorage=true;", "usedevelopmentstorage"])
async def test_a_connection_is_read_as_the_app_reads_it(text):
    async with Connections({"DATA_STORAGE": text}) as connections:
        if "=" in text:
            assert (await connections.blobs("DATA_STORAGE")).primary_hostname == "127.0.0.1:10000/devstoreaccount1"
            assert (await connections.queues("DATA_STORAGE")).primary_hostname == "127.0.0.1:10001/devstoreaccount1"
            return
        with pytest.raises(BindingError, match="DATA_STORAGE is no connection string"):
            await connections.blobs("DATA_STORAGE")


async def test_a_host_whose_own_storage_cannot_be_read_says_so_and_no_key():
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    host = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "local.host", "--port", "1", "--app", str(CHECKOUT / "tests/local/apps/triggers")],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "AzureWebJobsStorage": f"AccountKey={key}",
            "TICK": "0 0 4 1 1 *",
            "JOURNAL": os.devnull,
            "FUNCTIONS_WORKER_RUNTIME": "python",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await host.communicate())[0].decode()
    assert host.returncode == 1
    assert "AzureWebJobsStorage is no connection string that can be used: it has no AccountName" in said
    assert key not in said
    assert "Traceback" not in said


async def test_what_begins_with_azurewebjobs_wins_whatever_form_it_has():
    plain, other = (f"DefaultEndpointsProtocol=https;AccountName={name};AccountKey=a2V5" for name in ("one", "two"))
    async with Connections({"DATA": plain, "AzureWebJobsDATA": other}) as connections:
        assert (await connections.blobs("DATA")).account_name == "two"
        assert (await connections.queues("DATA")).account_name == "two"
    async with Connections({"DATA": plain, "AzureWebJobsDATA__accountName": "three"}) as connections:
        assert (await connections.blobs("DATA")).account_name == "three"


async def test_each_connection_has_the_identity_that_its_settings_name():
    settings = {
        "A__accountName": "one",
        "A__credential": "managedidentity",
        "A__clientId": "11111111-1111-1111-1111-111111111111",
        "B__accountName": "two",
        # Without `credential` it is passed over.
        "B__clientId": "22222222-2222-2222-2222-222222222222",
        "C__accountName": "three",
        "C__credential": "managedidentity",
    }
    async with Connections(settings) as connections:
        named, default, of_the_system = [(await connections.blobs(name)).credential for name in ("A", "B", "C")]
        assert isinstance(named, ManagedIdentityCredential)
        assert isinstance(default, DefaultAzureCredential)
        assert isinstance(of_the_system, ManagedIdentityCredential)
        assert of_the_system is not named
        assert (await connections.queues("A")).credential is named
