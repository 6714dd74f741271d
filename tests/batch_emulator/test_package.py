"""The emulator as a stranger has it: built, installed where this checkout is not, and used as its README says."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import batch_emulator
from batch_emulator.testing import BatchEmulator

SOURCES = Path(batch_emulator.__file__).parent
README = (SOURCES / "README.md").read_text(encoding="utf-8")
WHEEL = f"azure_batch_emulator-{batch_emulator.__version__}-py3-none-any.whl"
STARTING = """
from batch_emulator.testing import BatchEmulator
with BatchEmulator.start() as emulator:
    print(emulator.endpoint, flush=True)
    input()
"""
UV = Path(sys.executable).with_name("uv")


def run(*command, cwd, **options):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(sources, into, *options):
    run(sys.executable, "-m", "hatchling", "build", "--directory", into, *options, cwd=sources)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    sources = shutil.copytree(SOURCES, folder / "sources", ignore=shutil.ignore_patterns("__pycache__"))
    build(sources, folder)
    return folder


def python_of(version):
    """Return a Python of this machine, or skip the test."""
    if version == "this":
        return sys.executable
    command = [UV, "python", "find", "--no-python-downloads", "--no-project", version]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pythons = [found, *map(str, pyenv.glob(f"versions/{version}.*/bin/python"))]
    return next(filter(None, pythons), None) or pytest.skip(f"there is no Python {version} on this machine")


@pytest.fixture(
    scope="module",
    params=["this", pytest.param("3.12", marks=pytest.mark.slow), pytest.param("3.14", marks=pytest.mark.slow)],
)
def installed(request, built, tmp_path_factory):
    """The programs of an environment with the wheel, the SDK and pytest."""
    folder = tmp_path_factory.mktemp("environment")
    run(UV, "venv", "--quiet", "--python", python_of(request.param), folder / "venv", cwd=folder)
    programs = folder / "venv" / "bin"
    wheel = f"{built / WHEEL}[client]"
    run(UV, "pip", "install", "--quiet", "--python", programs / "python", wheel, "pytest", cwd=folder)
    return programs


def blocks(language):
    """Return the README's blocks of a language that begin with the name of a file, by that name."""
    found = re.findall(rf"^```{language}\n# (\S+\.py)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return dict(found)


def test_the_wheel_has_all_modules_and_nothing_but_the_package(built):
    names = zipfile.ZipFile(built / WHEEL).namelist()
    expected = {f"batch_emulator/{path.relative_to(SOURCES)}" for path in SOURCES.rglob("*.py")}
    expected |= {f"batch_emulator/{name}" for name in ("py.typed", "store/schema.sql", "fidelity/claims.toml")}
    expected |= {f"batch_emulator/control/page/{name}" for name in ("index.html", "page.css", "page.js")}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_source_distribution_makes_the_same_wheel(built, tmp_path):
    archive = next(built.glob("*.tar.gz"))
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    build(tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path, "--target", "wheel")
    assert (tmp_path / WHEEL).read_bytes() == (built / WHEEL).read_bytes()


@pytest.mark.slow
def test_few_packages_come_with_it_for_every_python(built):
    requirement = f"azure-batch-emulator @ {(built / WHEEL).as_uri()}"
    for version in ("3.12", "3.13", "3.14"):
        options = ["--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:", "--python-version", version]
        compiled = run(UV, "pip", "compile", *options, "-", cwd=built, input=requirement)
        # Four of its own, and theirs: how many that are is for the day's aiohttp to say.
        assert 4 < len(compiled.splitlines()) <= 20


def test_it_says_its_version(installed, tmp_path):
    said = run(installed / "azure-batch-emulator", "--version", cwd=tmp_path)
    assert said == f"azure-batch-emulator {batch_emulator.__version__}\n"


def test_it_says_how_its_claims_are_known(installed, tmp_path):
    said = run(installed / "python", "-m", "batch_emulator.fidelity", cwd=tmp_path)
    assert said == run(sys.executable, "-m", "batch_emulator.fidelity", cwd=SOURCES.parent)
    assert said.splitlines()[-1].split() == ["50", "22", "8"]


def test_the_tour_of_the_readme_prints_what_it_says(installed, tmp_path):
    (tmp_path / "tour.py").write_text(blocks("python")["tour.py"], encoding="utf-8")
    with subprocess.Popen(
        [installed / "python", "-c", STARTING], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as emulator:
        tour = tmp_path / "tour.py"
        text = tour.read_text(encoding="utf-8")
        assert "http://127.0.0.1:10003" in text
        tour.write_text(text.replace("http://127.0.0.1:10003", emulator.stdout.readline().strip()), encoding="utf-8")
        printed = run(installed / "python", "-W", "ignore", "tour.py", cwd=tmp_path)
        emulator.communicate("\n")
    expected = re.search(r"^\$ python tour\.py\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]
    assert re.fullmatch(re.escape(expected).replace("…", r"\w+"), printed), printed


def test_the_tests_of_the_readme_pass_with_the_fixtures_of_the_package(installed, tmp_path):
    for name, text in blocks("python").items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nbatch_emulator_options = --strict-images\n", encoding="utf-8")
    assert "2 passed" in run(installed / "python", "-m", "pytest", "-q", cwd=tmp_path)


def test_its_types_are_seen_by_those_who_use_it(installed, tmp_path):
    (tmp_path / "uses.py").write_text(
        "from batch_emulator.testing import BatchEmulator\n"
        "with BatchEmulator.start() as emulator:\n"
        "    reveal_type(emulator.endpoint)\n"
        "    reveal_type(emulator.client())\n"
        "    with emulator.fail('create_task', status=503, times=2) as rule:\n"
        "        reveal_type(rule.struck)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", installed / "python", "uses.py"]
    revealed = re.findall(r'Revealed type is "([^"]+)"', run(*command, cwd=tmp_path))
    assert [name.removeprefix("builtins.") for name in revealed] == ["str", "azure.batch._patch.BatchClient", "int"]


def test_an_emulator_ends_with_the_program_that_started_it_however_that_ends(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", STARTING], cwd=SOURCES.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        port = urlsplit(program.stdout.readline().strip()).port
        assert answers(port)
        program.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 15
    while answers(port):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.05)


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_what_prevents_its_start_is_said():
    with (
        pytest.raises(Exception, match=r"cannot start: /no/such/file: No such file"),
        BatchEmulator.start("--faults", "/no/such/file"),
    ):
        pass


#: As if on Windows, with the modules that are others there imported before.
ON_WINDOWS = "import asyncio, ssl, subprocess, tempfile, threading, pytest, sys; sys.platform = 'win32'; import "


def on_windows(module):
    command = [sys.executable, "-c", ON_WINDOWS + module]
    return subprocess.run(command, cwd=SOURCES.parent, capture_output=True, text=True, check=False)


def test_windows_is_refused_with_a_sentence():
    refused = on_windows("batch_emulator.location")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("ImportError: The Batch emulator runs on Linux and macOS, not on")


def test_pytest_starts_on_windows_with_the_package_installed():
    assert on_windows("batch_emulator.pytest_plugin").returncode == 0


def test_a_start_of_pytest_pays_for_no_emulator_that_no_test_asks_for():
    script = (
        "import pytest, sys; before = {*sys.modules}; import batch_emulator.pytest_plugin; "
        "print(*sorted({*sys.modules} - before))"
    )
    imported = run(sys.executable, "-c", script, cwd=SOURCES.parent)
    assert imported.split() == ["batch_emulator", "batch_emulator.pytest_plugin"]
