"""Container engines for tests: one that only writes down what it is asked for, and the machine's own."""

import json
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from batch_emulator.execution.container_engine import ContainerEngines

#: Answers as Docker does. It has every image but `missing/...`, finds `missing/here` where it pulls, and starts a
#: command as it is, on this machine.
_STAND_IN = """#!{python}
import json, os, subprocess, sys
folder, arguments = {folder!r}, sys.argv[1:]
with open(folder + "/calls", "a") as file:
    print(json.dumps({{"arguments": arguments, "environment": dict(os.environ)}}), file=file)

def fail(words, code=1):
    print("progress", words, sep="\\n", file=sys.stderr)
    sys.exit(code)

match arguments:
    case ["info", *_]:
        print(json.dumps({{"ServerVersion": "1"}}))
    case ["image", "inspect", *_, image]:
        if image.startswith("missing/"):
            fail("No such image")
    case ["pull", *_, image]:
        if image != "missing/here":
            fail("pull access denied for " + image)
    case ["create", *options]:
        if "--wrong" in options:
            fail("unknown flag: --wrong", 125)
        name = options[options.index("--name") + 1]
        env_file = options[options.index("--env-file") + 1]
        made = {{"options": options, "file": open(env_file).read(), "mode": os.stat(env_file).st_mode & 0o777}}
        json.dump(made, open(folder + "/" + name, "w"))
    case ["start", "--attach", name]:
        options = json.load(open(folder + "/" + name))["options"]
        program = options[options.index("--entrypoint") + 1] if "--entrypoint" in options else "entrypoint"
        if program == "entrypoint":
            print("from the entry point")
        elif program.startswith("no-such"):
            fail("crun: the limits cannot be set", 125)
        else:
            command = [program, *options[options.index("--") + 2:]]
            sys.exit(subprocess.call(command, cwd=options[options.index("--workdir") + 1]))
    case ["inspect", *_, name]:
        options = json.load(open(folder + "/" + name))["options"]
        words = "executable file not found in $PATH" if "no-such-program" in options else ""
        is_never = any(option.startswith("no-such") for option in options)
        started = "0001-01-01T00:00:00Z" if is_never else "2026-11-30T12:00:00Z"
        print(json.dumps({{"StartedAt": started, "Error": words}}))
    case ["ps", *_]:
        print("one\\ntwo")
    case ["rm", *_]:
        pass
"""


class StandIn:
    """An engine whose calls can be looked at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "engine"
        self.program.write_text(_STAND_IN.format(python=sys.executable, folder=str(folder)))
        self.program.chmod(0o755)

    @property
    def calls(self) -> list[dict]:
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def of(self, verb: str) -> list[list[str]]:
        """Return the arguments of all calls of a verb, after it."""
        return [call["arguments"][1:] for call in self.calls if call["arguments"][0] == verb]

    def made(self) -> dict:
        """Return what is known of the one container: its options, and the file of variables."""
        (options,) = self.of("create")
        return json.loads((self.folder / options[options.index("--name") + 1]).read_text())


def own_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Return the machine's own engine, and an image with a shell for it; skips where there is none."""
    busybox = shutil.which("busybox")
    if busybox is None or b"ld-linux" in Path(busybox).read_bytes()[:4096]:
        pytest.skip("no statically linked busybox to make an image of (Debian: busybox-static)")
    if shutil.which("runc"):
        # Podman asks for higher limits than a sandbox may give; crun wants another layout of cgroups than some have.
        configuration = folder / "containers.conf"
        limits = '["nofile=1024:1024", "nproc=1024:1024"]'
        configuration.write_text(f'[containers]\ndefault_ulimits = {limits}\n[engine]\nruntime = "runc"\n')
        monkeypatch.setenv("CONTAINERS_CONF", str(configuration))
    engine = ContainerEngines().find_now()
    if engine is None:
        pytest.skip("no docker or podman answers on this machine")
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("sh", "cat", "sleep", "echo", "env", "id", "pwd"):
            tar.add(busybox, f"bin/{name}", filter=_as_program)
    image = "localhost/batch-emulator-test:1"
    change = 'ENTRYPOINT ["/bin/echo", "from the entry point"]'
    subprocess.run([engine.program, "import", "--change", change, archive, image], check=True, capture_output=True)
    probe = [engine.program, "run", "--rm", "--network", "none", image]
    done = subprocess.run(probe, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{engine.program} cannot run a container here: {done.stderr.strip()[-200:]}")
    return engine.program, image


def _as_program(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode |= stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
    return info
