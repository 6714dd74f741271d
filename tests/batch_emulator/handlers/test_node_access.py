"""Users, remote login, extensions and logs of nodes: simulated, in the service's shapes."""

import re
from datetime import UTC, datetime

import pytest
from azure.batch.models import (
    BatchNodeUserCreateOptions,
    BatchNodeUserReplaceOptions,
    UploadBatchServiceLogsOptions,
    VMExtension,
)

from batch_emulator.settings import DEFAULT_ACCOUNT
from tests.batch_emulator.conftest import new_id, pool_options, until
from tests.batch_emulator.handlers.test_pool_changes import nodes_of, refusal
from tests.batch_emulator.signed import send, values


@pytest.fixture(scope="module")
async def node(batch, pool):
    return (await nodes_of(batch, pool))[0].id


async def test_users_come_and_go(batch, pool, node):
    user = BatchNodeUserCreateOptions(name="ada", password="very secret", is_admin=True)
    await batch.client.create_node_user(pool, node, user)
    assert await refusal(batch.client.create_node_user(pool, node, user)) == (409, "NodeUserExists")
    await batch.client.replace_node_user(pool, node, "ADA", BatchNodeUserReplaceOptions(password="other"))
    await batch.client.delete_node_user(pool, node, "ada")
    missing = (404, "NodeUserNotFound")
    assert await refusal(batch.client.delete_node_user(pool, node, "ada")) == missing
    assert await refusal(batch.client.replace_node_user(pool, node, "ada", BatchNodeUserReplaceOptions())) == missing


async def test_a_new_users_address_is_reported(url, pool, node):
    answer = await send(url, "POST", f"/pools/{pool}/nodes/{node}/users", body={"name": "bob", "password": "x"})
    assert (answer.status, answer.headers["Location"]) == (201, f"{url}/pools/{pool}/nodes/{node}/users/bob")


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "MissingRequiredProperty"), ({"name": "x", "expiryTime": "soon"}, "InvalidPropertyValue")],
)
async def test_impossible_users_are_refused(url, pool, node, body, code):
    answer = await send(url, "POST", f"/pools/{pool}/nodes/{node}/users", body=body)
    assert (answer.status, answer.body["code"]) == (400, code)


async def test_remote_login_leads_to_an_address_that_nobody_has(batch, pool, node):
    settings = await batch.client.get_node_remote_login_settings(pool, node)
    assert settings.remote_login_ip_address.startswith("203.0.113.")
    assert settings.remote_login_port >= 50000
    assert settings.ipv6_remote_login_ip_address is None


async def test_a_pool_with_ipv6_and_a_nat_pool_shows_both_on_its_nodes(url, batch):
    nat = {
        "name": "web",
        "protocol": "tcp",
        "backendPort": 80,
        "frontendPortRangeStart": 15000,
        "frontendPortRangeEnd": 15100,
    }
    body = {
        "id": new_id("pool"),
        "vmSize": "small",
        "targetDedicatedNodes": 1,
        "networkConfiguration": {
            "endpointConfiguration": {"inboundNATPools": [nat]},
            "publicIPAddressConfiguration": {"ipFamilies": ["IPv4", "IPv6"]},
        },
    }
    assert (await send(url, "POST", "/pools", body=body)).status == 201
    (node,) = await until(lambda: nodes_of(batch, body["id"]))
    web, ipv6 = node.endpoint_configuration.inbound_endpoints
    assert (web.name, web.protocol, web.backend_port, 15000 <= web.frontend_port <= 15100) == ("web.0", "tcp", 80, True)
    # Names: recording `should_create_a_pool_with_ipv6_address` of the JavaScript client.
    assert (ipv6.name, ipv6.frontend_port, ipv6.public_ip_address) == (
        "web-ipv6.0",
        web.frontend_port,
        node.ipv6_address,
    )
    settings = await batch.client.get_node_remote_login_settings(body["id"], node.id)
    assert settings.ipv6_remote_login_ip_address == node.ipv6_address


async def test_a_node_reports_its_agent_and_image(batch, pool, node):
    seen = await batch.client.get_node(pool, node)
    assert seen.node_agent_info.version
    assert seen.virtual_machine_info.image_reference.offer == "ubuntu-24_04-lts"


async def test_the_extensions_of_a_pool_are_shown_on_its_nodes(url, batch):
    options = pool_options(new_id("pool"), 1)
    options.virtual_machine_configuration.extensions = [VMExtension(name="mine", publisher="p", type="t")]
    await batch.client.create_pool(options)
    (node,) = await until(lambda: nodes_of(batch, options.id))
    listed = batch.client.list_node_extensions(options.id, node.id, max_results=1)
    assert [extension.vm_extension.name async for extension in listed] == ["mine", "batchNodeExtension"]
    extension = await batch.client.get_node_extension(options.id, node.id, "MINE", select=["provisioningState"])
    assert (extension.provisioning_state, extension.vm_extension) == ("Succeeded", None)
    missing = await send(url, "GET", f"/pools/{options.id}/nodes/{node.id}/extensions/none")
    assert missing.status == 404


async def test_logs_are_uploaded_in_name_only(batch, url, pool, node):
    """Recording `should_upload_pool_node_logs` of the JavaScript client."""
    options = UploadBatchServiceLogsOptions(
        container_url="https://account.blob.core.windows.net/logs?sig=secret", start_time=datetime.now(UTC)
    )
    result = await batch.client.upload_node_logs(pool, node, options)
    assert result.number_of_files_uploaded == 4
    assert re.fullmatch(
        rf"{DEFAULT_ACCOUNT}-[0-9A-F]{{16}}/{pool}/{node}/[0-9a-f-]{{36}}", result.virtual_directory_name
    )
    body = {"containerUrl": "ftp://secret", "startTime": "2026-01-01T00:00:00Z"}
    answer = await send(url, "POST", f"/pools/{pool}/nodes/{node}/uploadbatchservicelogs", body=body)
    assert (answer.status, values(answer)["PropertyName"]) == (400, "containerUrl")
    assert "secret" not in str(answer.body)
