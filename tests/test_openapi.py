"""The OpenAPI document is valid, names every function that answers HTTP, and the app keeps what it promises."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from batch_core.http.openapi import document
from tests.app_hosts import app_host
from tests.batch_core.conftest import app  # noqa: F401 - a fixture
from tests.batch_core.steps import collected, submitted
from tests.test_function_app import TRIGGERS

#: Asked for without a key, so that the page's files are no part of the API.
_PAGE = re.compile(r"dashboard")


def test_it_is_valid():
    validate(document())


def test_it_has_every_function_that_answers_http_and_no_other():
    bindings = [(name, trigger) for name, trigger in TRIGGERS.items() if trigger["type"] == "httpTrigger"]
    functions = {
        (method.lower(), "/" + binding["route"].replace("{*name}", "{name}"), name)
        for name, binding in bindings
        for method in (str(getattr(one, "value", one)) for one in binding["methods"])
        if not _PAGE.match(binding["route"])
    }
    promised = {
        (method, path, operation["operationId"])
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }
    assert promised == functions


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_the_app_keeps_what_it_promises_whatever_is_asked(app, environment, tmp_path):  # noqa: F811
    record = await collected(app, (await submitted(app, "a.txt")).task_id)
    async with app_host(app, environment, tmp_path) as url:
        code, output = await asked_at_random(url, record.task_id, tmp_path)
    assert code == 0, output


async def asked_at_random(url, task_id, folder):
    """Let schemathesis make requests of the document, among them some for a task that exists."""
    config = f"""
[[operations]]
include-path-regex = "task_id"
parameters = {{ "path.task_id" = "{task_id}" }}
"""
    (folder / "schemathesis.toml").write_text(config)
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(folder / "schemathesis.toml")]
    options = ["run", f"{url}/api/openapi.json", "--max-examples", "15", "--seed", "7", "--no-color"]
    # A method that a path does not have is 404 on Azure's host, and not 405; keys are the host's business. What the
    # parameters say of each other, and which routes there are, no schema can say: such a request is answered with 400.
    excluded = "unsupported_method,ignored_auth,positive_data_acceptance"
    options += ["--exclude-checks", excluded, "--generation-database", "none"]
    process = await asyncio.create_subprocess_exec(
        *command, *options, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()
