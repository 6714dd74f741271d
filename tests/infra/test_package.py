"""The package that `make package` builds: it is enough for the app, and nothing else is in it."""

import asyncio
import json
import os
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.scripts import package
from tests.batch_core.conftest import app  # noqa: F401 - a fixture
from tests.infra.test_check import python_3

#: The packages come from a registry each time.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SITE_PACKAGES = ".python_packages/lib/site-packages/"

#: Run without this environment's packages (-S) and variables (-I): only the package's own folders are on the path.
HEALTH = """
import asyncio, json, sys
from pathlib import Path
folder = Path(sys.argv[1])
sys.path[:0] = [str(folder), str(folder / ".python_packages/lib/site-packages")]
import azure.functions as func
import function_app
functions = {one.get_function_name(): one for one in function_app.app.get_functions()}
request = func.HttpRequest(method="GET", url="http://host/api/health", body=b"")
async def health():
    reply = await functions["get_health"].get_user_function()(request)
    await function_app.process_app().clients.close()
    return reply
reply = asyncio.run(health())
elsewhere = {
    name: module.__file__ for name, module in sys.modules.items()
    if getattr(module, "__file__", None) and not module.__file__.startswith((str(folder), sys.base_prefix))
}
print(json.dumps({
    "status": reply.status_code, "health": json.loads(reply.get_body()), "functions": sorted(functions),
    "elsewhere": elsewhere,
}))
"""


def build(folder, metrics=""):
    """Build the package as `azd package` and `make package` do; return the zip."""
    command = [sys.executable, "infra/scripts/package.py", str(folder)]
    env = os.environ | {package.METRICS: metrics}
    built = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder.with_name(f"{folder.name}.zip")


@pytest.fixture(scope="module", params=["", "true"], ids=["plain", "metrics"])
def metrics(request):
    """What BATCHDROP_METRICS says."""
    return request.param


@pytest.fixture(scope="module")
def archive(tmp_path_factory, metrics):
    """The zip."""
    return build(tmp_path_factory.mktemp("package") / "app", metrics)


@pytest.fixture(scope="module")
def names(archive):
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_a_pip_that_asks_what_runs_it_is_not_asked():
    """Older ones hold a package's Python against their own: https://github.com/pypa/pip/issues/12216."""
    asked = []

    def run(command, **_):
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(package.subprocess, "run", run)
        package.install_packages(ROOT / "requirements.txt", ROOT / "nowhere")
    assert "--ignore-requires-python" in asked[0]


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-telemetry.txt"])
def test_no_pin_depends_on_what_builds_the_package(lock):
    """A pip reads markers for the Python that runs it, whatever Python its wheels are for."""
    markers = re.findall(r"(?m)^[\w.-]+==[^ ;]+ *; *(.*?) *\\?$", (ROOT / lock).read_text())
    assert markers
    names = {name for marker in markers for name in re.findall(r"[a-z_]+(?= *[=!<>])", marker)}
    assert names <= {"platform_python_implementation", "implementation_name"}


@pytest.mark.parametrize("minor", [9, 10, 11, 12])
def test_any_python_from_3_9_on_builds_it_with_the_pip_that_it_came_with(tmp_path, minor):
    python = python_3(minor)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} with pip here")
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    command = [str(tmp_path / "venv/bin/python"), "infra/scripts/package.py", str(tmp_path / "app")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "app" / SITE_PACKAGES / "azure/functions/__init__.py").is_file()


def is_the_runtime_of_azure():
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info[:2] == (3, 13)


@pytest.mark.skipif(not is_the_runtime_of_azure(), reason="the package is for Python 3.13 on Linux, x86-64")
async def test_the_unpacked_package_serves_health_with_no_other_packages(archive, app, environment, tmp_path):  # noqa: F811
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    settings = environment | {"BATCH_ENDPOINT": app.settings.batch.endpoint, "BLOB_TRIGGER_SOURCE": "EventGrid"}
    ran = await asyncio.to_thread(run_alone, tmp_path, settings)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert (answer["status"], answer["health"]["status"]) == (200, "ok"), answer["health"]
    assert {"submit_blob", "collect_outputs", "get_health", "get_dashboard"} <= set(answer["functions"])
    assert answer["elsewhere"] == {}


def run_alone(folder, settings):
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", HEALTH, str(folder)],
        env=settings | {"HOME": str(folder), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_nothing_is_in_it_that_is_not_deployed(names):
    own = {name for name in names if not name.startswith(SITE_PACKAGES)}
    assert {name.partition("/")[0] for name in own} - {"routes.toml"} == {
        *("LICENSE", "batch_core", "function_app.py", "host.json")
    }
    unwanted = [
        name for name in own if re.search(r"/cli/|__main__|__pycache__|\.pyc$|(^|/)\.|settings\.json|\.pem$", name)
    ]
    assert unwanted == []


def test_all_of_the_app_is_in_it(names):
    listed = subprocess.run(["git", "ls-files", "batch_core"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    wanted = {name for name in listed.stdout.split() if not name.startswith(("batch_core/cli/", "batch_core/__main__"))}
    assert wanted - set(names) == set()


def test_its_packages_are_those_that_are_pinned_and_run_on_linux_and_python_3_13(archive, names, metrics):
    lock = package.chosen_requirements(metrics).read_text()
    pinned = {
        name.lower().replace("_", "-"): version for name, version in re.findall(r"(?m)^([\w.-]+)==([^ ;\\]+)", lock)
    }
    folders = {name.split("/")[3] for name in names if name.startswith(SITE_PACKAGES) and ".dist-info/" in name}
    found = {
        name.lower().replace("_", "-"): version
        for name, _, version in (folder.removesuffix(".dist-info").rpartition("-") for folder in folders)
    }
    assert found == pinned
    compiled = [name for name in names if re.search(r"\.(so|pyd|dylib|dll)(\.|$)", name)]
    assert compiled
    assert [name for name in compiled if not re.search(r"(cpython-313-x86_64-linux-gnu|abi3)\.so$", name)] == []
    with zipfile.ZipFile(archive) as opened:
        wheels = "\n".join(opened.read(name).decode() for name in names if name.endswith(".dist-info/WHEEL"))
    # A wheel for a newer glibc does not load where Python 3.13 runs on Azure.
    newest = {(int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)_x86_64", wheels)}
    assert max(newest) <= (2, 28)


def test_the_same_files_make_the_same_archive(archive):
    with zipfile.ZipFile(archive) as opened:
        dates = {entry.date_time for entry in opened.infolist()}
        assert [entry.filename for entry in opened.infolist()] == sorted(opened.namelist())
    assert dates == {(1980, 1, 1, 0, 0, 0)}


def test_publishing_the_checkout_itself_leaves_out_keys_and_keeps_built_packages(tmp_path):
    """For Core Tools and editors, which read .funcignore; `azd` and `make package` have a list of what goes in."""
    (tmp_path / ".gitignore").write_text((ROOT / ".funcignore").read_text())
    wanted = ["function_app.py", "batch_core/app.py", SITE_PACKAGES + "msal/__init__.py"]
    unwanted = ["local.settings.json", ".env", ".azure/dev/.env", "key.pem", "infra/main.bicep", "build/app.zip"]
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    checked = ["git", "check-ignore", "--no-index", *wanted, *unwanted]
    ignored = subprocess.run(checked, cwd=tmp_path, capture_output=True, text=True, check=False).stdout.split()
    assert ignored == unwanted
