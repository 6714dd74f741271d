"""The emulator in a container, with Compose, as an action: what can be had of them without Docker and without GitHub.

The image is built by podman, on a base made here, and run where podman can run anything. Docker, Azurite's own image
and the action on GitHub's runners are for `.github/workflows/emulator.yml`.
"""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml
from azure.batch import BatchClient
from azure.batch.models import BatchJobCreateOptions, BatchPoolInfo, BatchTaskCreateOptions

import batch_emulator
from batch_emulator.settings import AZURITE_KEY, DEFAULT_ACCOUNT, DEFAULT_KEY
from tests.batch_emulator.conftest import CREDENTIAL, pool_options
from tests.batch_emulator.podman import find_podman, import_base

CHECKOUT = Path(__file__).parents[2]
SOURCES = CHECKOUT / "batch_emulator"
README = (SOURCES / "README.md").read_text(encoding="utf-8")
DOCKERFILE = (SOURCES / "Dockerfile").read_text(encoding="utf-8")
TOUR = CHECKOUT / "tests" / "batch_emulator" / "running" / "tour.py"
BASE, IMAGE = "localhost/batch-emulator-base:test", "localhost/azure-batch-emulator:test"


def section(heading):
    return README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


# The Dockerfile


def test_hadolint_has_nothing_to_say():
    hadolint = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if hadolint is None:
        pytest.skip("no hadolint: requirements-dev.txt has it")
    done = subprocess.run([hadolint, "--no-color", SOURCES / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    return find_podman(tmp_path_factory.mktemp("podman"))


@pytest.fixture(scope="module")
def image(podman, tmp_path_factory):
    """The image, built without an engine and without a registry."""
    import_base(podman, BASE, SOURCES, tmp_path_factory.mktemp("base"))
    try:
        options = ["--isolation", "chroot", "--format", "docker", "--layers=false", "--build-arg", f"BASE={BASE}"]
        podman.run("build", *options, "--tag", IMAGE, SOURCES)
        yield IMAGE
    finally:
        podman.call("rmi", "--force", IMAGE, BASE)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_image_is_not_roots_and_has_a_health_check_and_a_place_for_state(podman, image):
    (described,) = json.loads(podman.run("image", "inspect", image))
    settings = described["Config"]
    assert settings["User"] == "10003:10003"
    assert list(settings["ExposedPorts"]) == ["10003/tcp"]
    assert list(settings["Volumes"]) == [settings["WorkingDir"]] == ["/data"]
    assert settings["Entrypoint"][1:] == ["--host", "0.0.0.0", "--location", "/data"]
    assert described["Healthcheck"]["Test"][:2] == ["CMD", "/opt/batch-emulator/bin/python"]


@contextmanager
def running(podman, image, *arguments, options=()):
    """Run the image on a free port of 127.0.0.1; yield the container and its endpoint."""
    published = ["--publish", "127.0.0.1::10003"]
    probe = podman.call("run", "--rm", "--init", *published, "--entrypoint", "azure-batch-emulator", image, "--version")
    if probe.returncode:
        pytest.skip(f"podman cannot run a container here: {probe.stderr.strip()[-200:]}")
    assert probe.stdout == f"azure-batch-emulator {batch_emulator.__version__}\n"
    with podman.container(*arguments, *published, image, *options) as container:
        address = podman.run("port", container, "10003/tcp")
        assert re.fullmatch(r"127\.0\.0\.1:\d+", address)
        until_healthy(podman, container)
        yield container, f"http://{address}"


def until_healthy(podman, container):
    # Where there is no systemd, podman checks only when it is asked to.
    deadline = time.monotonic() + 30
    while podman.call("healthcheck", "run", container).returncode:
        assert time.monotonic() < deadline, podman.call("logs", container)
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_tour_runs_against_the_container(podman, image):
    with running(podman, image, "--init") as (container, endpoint):
        toured = subprocess.run([sys.executable, TOUR, endpoint], capture_output=True, text=True, check=False)
        assert toured.returncode == 0, toured.stdout + toured.stderr
        assert podman.run("exec", container, "id", "-un") == "batch"
        owner_and_mode = podman.run("exec", container, "stat", "-c", "%u %a", "/data", "/data/batch.db")
        assert owner_and_mode.splitlines() == ["10003 700", "10003 600"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("init", [True, False])
def test_it_ends_at_once_with_its_tasks_and_finds_its_state_again(podman, image, init):
    with running(podman, image, *["--init"] * init) as (container, endpoint):
        with BatchClient(endpoint, CREDENTIAL) as client:
            client.create_pool(pool_options("kept"))
            client.create_job(BatchJobCreateOptions(id="kept", pool_info=BatchPoolInfo(pool_id="kept")))
            for name, command in (("left", "(sleep 60 &)"), ("stubborn", "trap '' TERM; sleep 60")):
                client.create_task("kept", BatchTaskCreateOptions(id=name, command_line=f'/bin/sh -c "{command}"'))
            until(lambda: [task.state for task in client.list_tasks("kept")] == ["completed", "running"])
        # What it left has been ended; who reaps it is the first process, and the emulator is not made for that.
        zombies = podman.run("exec", container, "ps", "-o", "stat,comm").count("Z")
        assert (zombies > 0) is not init
        began = time.monotonic()
        podman.run("stop", "--time", "60", container)
        assert time.monotonic() - began < 10
        assert podman.run("inspect", "--format", "{{.State.ExitCode}}", container) == "0"
        podman.run("start", container)
        until_healthy(podman, container)
        with BatchClient(f"http://{podman.run('port', container, '10003/tcp')}", CREDENTIAL) as client:
            assert [job.id for job in client.list_jobs()] == ["kept"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_options_and_variables_are_the_users(podman, image):
    variables = ["--env", "BATCH_EMULATOR_ALLOW_HOSTS=batch-emulator", "--env", "BATCH_EMULATOR_KEY=b3du"]
    # A proxy that the engine sets for all of its containers is none for the health check.
    proxy = ["--env", "http_proxy=http://127.0.0.1:9"]
    with running(podman, image, "--init", *variables, *proxy, options=["--account", "mine"]) as (container, endpoint):
        log = podman.run("logs", container)
        assert "ready at http://0.0.0.0:10003 (account mine, key as given, state in /data)" in log
        assert [status_for(endpoint, name) for name in ("batch-emulator", "another")] == [200, 403]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_needs_no_signature_on_the_emulators_machine_needs_none_inside_and_one_outside(podman, image):
    said = "from batch_emulator.testing import BatchEmulator; BatchEmulator(endpoint='http://127.0.0.1:10003').reset()"
    with running(podman, image, "--init") as (container, endpoint):
        podman.run("exec", container, "/opt/batch-emulator/bin/python", "-c", said)
        assert status_for(endpoint, "127.0.0.1", "/_emulator/state") == 403


def status_for(endpoint, host, path="/_emulator/health"):
    connection = HTTPConnection(endpoint.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", path, headers={"Host": f"{host}:10003"})
        return connection.getresponse().status
    finally:
        connection.close()


def until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_context_leaves_out_what_the_wheel_is_not_made_of():
    left_out = (SOURCES / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"**/.*", "Dockerfile", "action.yml", "compose.yaml"} <= set(left_out)
    assert [line for line in left_out if line.startswith("!")] == []  # engines do not agree on what that brings back


# Compose


def test_compose_publishes_on_the_loopback_interface_alone():
    services = read(SOURCES / "compose.yaml")["services"]
    published = {name: service["ports"] for name, service in services.items()}
    assert published["batch-emulator"] == ["127.0.0.1:10003:10003"]
    assert [port for ports in published.values() for port in ports if not port.startswith("127.0.0.1:")] == []
    assert [name for name, service in services.items() if "network_mode" in service or "privileged" in service] == []


def test_compose_waits_for_both_and_keeps_what_they_hold():
    document = read(SOURCES / "compose.yaml")
    emulator, azurite = (document["services"][name] for name in ("batch-emulator", "azurite"))
    assert "HEALTHCHECK" in DOCKERFILE
    assert azurite["healthcheck"]["test"][0] == "CMD"
    assert emulator["depends_on"] == {"azurite": {"condition": "service_healthy"}}
    assert emulator["init"] is azurite["init"] is True
    volumes = [volume.partition(":")[0] for service in (emulator, azurite) for volume in service["volumes"]]
    assert volumes == list(document["volumes"])


def test_compose_knows_storage_and_emulator_by_the_names_that_containers_share():
    services = read(SOURCES / "compose.yaml")["services"]
    environment = services["batch-emulator"]["environment"]
    assert environment["BATCH_EMULATOR_ALLOW_HOSTS"] == "batch-emulator"
    pairs = (pair.partition("=") for pair in environment["BATCH_EMULATOR_STORAGE"].split(";") if pair)
    storage = {name: value for name, _, value in pairs}
    assert storage["AccountKey"] == AZURITE_KEY
    assert storage["BlobEndpoint"] == "http://azurite:10000/devstoreaccount1"
    assert storage["BlobEndpoint"] in section("In a container")
    assert "azurite" in services


def test_compose_has_the_azurite_that_the_tests_have():
    azurite = read(SOURCES / "compose.yaml")["services"]["azurite"]
    version = json.loads((CHECKOUT / "package.json").read_text(encoding="utf-8"))["devDependencies"]["azurite"]
    assert azurite["image"] == f"mcr.microsoft.com/azure-storage/azurite:{version}"


# The action


def steps():
    return read(SOURCES / "action.yml")["runs"]["steps"]


def test_inputs_reach_the_shell_of_the_action_as_variables_alone():
    for step in steps():
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
    named = {name for step in steps() for name in re.findall(r"inputs\.(\w+)", " ".join(step["env"].values()))}
    assert named == set(read(SOURCES / "action.yml")["inputs"])


class Runner:
    """Runs the action's steps as GitHub's runner does, in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.groups = []
        self.files = {name: folder / name for name in ("GITHUB_OUTPUT", "GITHUB_ENV")}

    def run(self, **inputs):
        """Run the steps until one fails; return the last one's exit code and what it printed."""
        defaults = {name: given["default"] for name, given in read(SOURCES / "action.yml")["inputs"].items()}
        values = {f"INPUT_{name.upper()}": value for name, value in (defaults | inputs).items()}
        environment = {
            **{name: value for name, value in os.environ.items() if name != "BATCH_EMULATOR_KEY"},
            **{name: str(file) for name, file in self.files.items()},
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_ACTION_PATH": str(SOURCES),
            **values,
        }
        done = None
        for number, step in enumerate(steps()):
            assert set(step["env"]) <= set(values)
            script, output = self.folder / f"{number}.sh", self.folder / f"{number}.txt"
            script.write_text(step["run"], encoding="utf-8")
            command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script]
            with output.open("wb") as file:
                done = subprocess.Popen(
                    command, cwd=self.folder, env=environment, stdout=file, stderr=file, start_new_session=True
                )
            self.groups.append(done.pid)
            done.wait(timeout=100)
            if done.returncode:
                break
        return done.returncode, output.read_text(encoding="utf-8")

    def set(self, name):
        """Return the values that the steps have written to a file of the runner's."""
        lines = self.files[name].read_text(encoding="utf-8").splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    def end(self):
        """End what the steps have left running, as the runner does at a job's end."""
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)


@pytest.fixture
def runner(tmp_path):
    runner = Runner(tmp_path)
    yield runner
    runner.end()


@pytest.mark.slow
def test_the_action_starts_an_emulator_that_outlives_its_steps(runner):
    code, printed = runner.run(python=sys.executable, port="0", options="--strict-images\n  --account mine")
    assert code == 0, printed
    outputs, variables = runner.set("GITHUB_OUTPUT"), runner.set("GITHUB_ENV")
    assert outputs["account"] == "mine"
    assert outputs["key"] == DEFAULT_KEY
    assert "ready at" in Path(outputs["log"]).read_text(encoding="utf-8")
    assert status_for(outputs["endpoint"], "127.0.0.1") == 200
    names = ("AZURE_BATCH_ENDPOINT", "AZURE_BATCH_ACCOUNT", "AZURE_BATCH_ACCESS_KEY")
    assert variables == dict(zip(names, (outputs["endpoint"], "mine", DEFAULT_KEY), strict=True))
    assert set(read(SOURCES / "action.yml")["outputs"]) == set(outputs)


@pytest.mark.slow
def test_the_action_knows_and_masks_a_key_that_is_kept_in_a_file(runner):
    file = runner.folder / "key"
    file.write_text("bXkgb3du\n", encoding="ascii")
    for module in ("queue", "argparse", "batch_emulator"):
        (runner.folder / f"{module}.py").write_text("raise SystemExit('of the job')", encoding="ascii")
    code, printed = runner.run(python=sys.executable, port="0", options=f"--account-key-file {file}")
    assert code == 0, printed
    assert "::add-mask::bXkgb3du\n" in printed
    assert runner.set("GITHUB_OUTPUT")["key"] == "bXkgb3du"


@pytest.mark.slow
def test_nothing_of_an_input_is_run_and_a_mistake_fails_the_step(runner):
    hostile = "$(touch made) `touch made` ; touch made & * \"' --no-such-option"
    code, printed = runner.run(python=sys.executable, port="0; touch made", options=hostile)
    assert code == 1
    assert "::error::The emulator has ended" in printed
    assert "no port" in printed
    assert not (runner.folder / "made").exists()
    assert not runner.files["GITHUB_ENV"].exists()


def test_the_action_says_that_a_python_is_too_old(runner):
    old = runner.folder / "python"
    old.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "import sys; sys.version_info = (3, 11); $2"\n')
    old.chmod(0o755)
    code, printed = runner.run(python=str(old))
    assert (code, printed) == (1, "The emulator needs Python 3.12 or newer\n")


# The README and the workflow


def test_every_example_publishes_on_the_loopback_interface_alone():
    workflow = (CHECKOUT / ".github" / "workflows" / "emulator.yml").read_text(encoding="utf-8")
    published = re.findall(r"(?:--publish|-p)[ =](\S+)", section("In a container") + workflow)
    assert published == ["127.0.0.1:10003:10003"] * 2


def test_the_snippet_for_testcontainers_waits_for_health_and_opens_no_other_address():
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", section("With Testcontainers"), re.MULTILINE | re.DOTALL)
    tree = ast.parse(snippet)
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {"/_emulator/health", "127.0.0.1", DEFAULT_ACCOUNT, DEFAULT_KEY} <= texts
    called = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
    assert "with_exposed_ports" not in called


def test_the_snippet_for_github_names_inputs_and_outputs_that_exist():
    (snippet,) = re.findall(r"^```yaml\n(.*?)^```$", section("In GitHub Actions"), re.MULTILINE | re.DOTALL)
    (step,) = (step for step in yaml.safe_load(snippet)["steps"] if "batch_emulator@" in step.get("uses", ""))
    action = read(SOURCES / "action.yml")
    assert set(step["with"]) <= set(action["inputs"])
    assert set(re.findall(rf"steps\.{step['id']}\.outputs\.(\w+)", snippet)) <= set(action["outputs"])


def test_the_workflow_may_read_only_and_covers_pythons_and_systems():
    workflow = read(CHECKOUT / ".github" / "workflows" / "emulator.yml")
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert not any("permissions" in job for job in jobs.values())
    matrix = jobs["package"]["strategy"]["matrix"]
    pythons = ["3.12", "3.13", "3.14"]
    assert matrix["python"] == pythons
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos"}
    assert jobs["image"]["strategy"]["matrix"]["base"] == [f"python:{version}-slim" for version in pythons]
    # What decides over a script is in its environment alone.
    assert [step for job in jobs.values() for step in job["steps"] if "${{" in step.get("run", "")] == []
