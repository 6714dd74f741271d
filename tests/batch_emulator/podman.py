"""Podman for tests of the image: a base made of this machine's own Python, and containers that are removed at the end.

No registry of images is needed: the base holds the interpreter, the libraries that it loads, a shell, and the packages
that pip is to install, from which pip.conf makes it take them.
"""

import io
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

_APPLETS = ("sh", "cat", "chown", "echo", "env", "id", "ln", "mkdir", "ps", "sleep", "stat", "true")
_PIP = "[global]\nno-index = true\nfind-links = /wheels\nroot-user-action = ignore\ndisable-pip-version-check = true\n"


class Podman:
    """The program, with settings for machines that allow a container less than podman asks for."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.environment = dict(os.environ)
        if shutil.which("runc"):
            # Podman asks for higher limits than a sandbox may give; crun wants other cgroups than some have.
            configuration = folder / "containers.conf"
            limits = '["nofile=1024:1024", "nproc=1024:1024"]'
            configuration.write_text(f'[containers]\ndefault_ulimits = {limits}\n[engine]\nruntime = "runc"\n')
            self.environment["CONTAINERS_CONF"] = str(configuration)

    def call(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        command = [self.program, *map(str, arguments)]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def run(self, *arguments: str | Path) -> str:
        """Run a command that has to succeed; return what it printed."""
        done = self.call(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    @contextmanager
    def container(self, *arguments: str | Path) -> Iterator[str]:
        """Run a container in the background, and remove it with its volumes; yield its id."""
        container = self.run("run", "--detach", *arguments).splitlines()[-1]
        try:
            yield container
        finally:
            self.run("rm", "--force", "--volumes", "--time", "0", container)


def find_podman(folder: Path) -> Podman:
    """Return the machine's podman, or skip the test."""
    program = shutil.which("podman")
    if program is None:
        pytest.skip("no podman on this machine")
    podman = Podman(program, folder)
    if (done := podman.call("info")).returncode:
        pytest.skip(f"podman does not work here: {done.stderr.strip()[-200:]}")
    return podman


def import_base(podman: Podman, tag: str, project: Path, folder: Path) -> None:
    """Make an image that a Dockerfile with `ARG BASE` can start from, for a project's package and its build backend."""
    busybox = shutil.which("busybox")
    if busybox is None or b"ld-linux" in Path(busybox).read_bytes()[:4096]:
        pytest.skip("no statically linked busybox to make an image of (Debian: busybox-static)")
    pip = find_spec("pip")
    if shutil.which("ldd") is None or pip is None or pip.origin is None:
        pytest.skip("the base is made with ldd, and of the pip of this environment")
    wheels = _download(project, folder / "wheels")
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.base_prefix) / "bin" / name
    standard = Path(sysconfig.get_path("stdlib"))
    archive = folder / "base.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(busybox, "bin/busybox", filter=_as_program)
        for applet in _APPLETS:
            _link(tar, f"bin/{applet}", "busybox")
        tar.add(python.resolve(), f"usr/local/bin/{name}", filter=_as_program)
        for alias in ("python3", "python"):
            _link(tar, f"usr/local/bin/{alias}", name)
        tar.add(standard, f"usr/local/lib/{name}", filter=_without_what_tests_need)
        tar.add(Path(pip.origin).parent, f"usr/local/lib/{name}/site-packages/pip", filter=_without_what_tests_need)
        for name_there, library in _libraries([python, *standard.glob("lib-dynload/*.so")]).items():
            tar.add(library.resolve(), name_there.lstrip("/"))
        tar.add(wheels, "wheels")
        _file(tar, "etc/pip.conf", _PIP)
        _file(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        _file(tar, "etc/group", "root:x:0:\n")
        for directory, mode in (("tmp", 0o1777), ("root", 0o700)):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
    podman.run("import", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin", archive, tag)
    archive.unlink()


def _download(project: Path, folder: Path) -> Path:
    """Fetch what pip needs to build the project's wheel and to install it."""
    described = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*described["build-system"]["requires"], *described["project"]["dependencies"]]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", folder, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def _libraries(programs: list[Path]) -> dict[str, Path]:
    """Return what the dynamic linker loads for programs and modules, and for wheels libgcc, by its place in the image.

    The linker itself has to have its own; libraries have to be where it looks without a cache, libpython too.
    """
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    linkers = set(re.findall(r"^\s+(/\S+) \(0x", listed, re.MULTILINE))
    libraries = {Path(path) for path in re.findall(r"=> (/\S+) \(0x", listed)}
    place = next(path.parent for path in libraries if path.name == "libc.so.6")
    libraries |= set(place.glob("libgcc_s.so.1"))
    return {path: Path(path) for path in linkers} | {str(place / path.name): path for path in libraries}


def _file(tar: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text)
    tar.addfile(entry, io.BytesIO(text.encode()))


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _as_program(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode |= stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
    return entry


def _without_what_tests_need(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what makes the base large and is never used, and packages installed on this machine."""
    left_out = {"__pycache__", "test", "idlelib", "tkinter", "turtledemo", "site-packages", "dist-packages"}
    names = set(Path(entry.name).parts[4:]) - ({"site-packages"} if "/site-packages/pip" in entry.name else set())
    return None if names & left_out or Path(entry.name).parts[-1].startswith("config-3") else entry
