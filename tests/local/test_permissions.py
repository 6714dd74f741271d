"""What the stack keeps is its user's alone."""

import os
import stat
import sys
from pathlib import Path

import pytest

from local import azurite, emulator
from local.emulator import BatchAccount
from local.errors import FolderError
from local.lock import locked
from local.permissions import close_to_others, make_private_folder
from local.processes import ChildProcess

_KEY = "c2VjcmV0LW9mLXRoaXMtdGVzdA=="


def open_to_others(folder: Path) -> list[Path]:
    found = (path for path in (folder, *folder.rglob("*")) if not path.is_symlink())
    return [path for path in found if stat.S_IMODE(path.stat().st_mode) & 0o077]


def arguments(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


@pytest.fixture
def lax_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("lax_umask")
async def test_folders_logs_and_what_children_write_are_private(tmp_path):
    folder = tmp_path / "state"
    script = "import pathlib; pathlib.Path('sub').mkdir(); pathlib.Path('sub/file').write_text('x'); print('said')"
    log = folder / "logs" / "child.log"
    make_private_folder(folder)
    async with await ChildProcess.start("a child", [sys.executable, "-c", script], log=log, cwd=folder) as process:
        await process.wait_for_end(seconds=30)
    assert (folder / "sub" / "file").exists()
    assert open_to_others(folder) == []


@pytest.mark.usefixtures("lax_umask")
async def test_state_of_azurite_and_emulator_is_private_and_no_key_is_an_argument(tmp_path):
    folder = tmp_path / "state"
    account = BatchAccount(name="own", key=_KEY)
    async with (
        azurite.running(log=folder / "logs/azurite.log", location=folder / "azurite") as storage,
        emulator.running(
            log=folder / "logs/batch.log",
            location=folder / "batch",
            account=account,
            storage=storage.connection_string,
        ) as batch,
    ):
        for pid in (storage.process.pid, batch.process.pid):
            line = arguments(pid)
            assert _KEY not in line
            assert azurite.ACCOUNT_KEY not in line
    assert list((folder / "batch").iterdir())
    assert list((folder / "azurite").iterdir())
    assert open_to_others(folder) == []


@pytest.mark.usefixtures("lax_umask")
def test_what_an_older_version_made_is_closed_and_nothing_else(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("x")
    folder = tmp_path / "state"
    (folder / "batch" / "nodes").mkdir(parents=True)
    (folder / "batch" / "nodes" / "run.sh").write_text("x")
    (folder / "batch" / "nodes" / "run.sh").chmod(0o755)
    (folder / "batch" / "link").symlink_to(elsewhere)
    (folder / "stack.lock").write_text("1")
    close_to_others(folder)
    assert open_to_others(folder) == []
    assert stat.S_IMODE((folder / "batch" / "nodes" / "run.sh").stat().st_mode) == 0o700
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644


@pytest.mark.usefixtures("lax_umask")
def test_a_folder_with_files_of_the_users_own_stays_open(tmp_path):
    (tmp_path / "logs").mkdir()
    own = tmp_path / "own.txt"
    own.write_text("x")
    tmp_path.chmod(0o755)
    close_to_others(tmp_path)
    assert open_to_others(tmp_path) == [tmp_path, own]


async def test_links_in_place_of_logs_and_of_the_lock_are_refused_and_their_target_untouched(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("stack.lock", "child.log"):
        (tmp_path / name).symlink_to(victim)
    with pytest.raises(FolderError, match=r"stack\.lock"), locked(tmp_path):
        pass
    with pytest.raises(FolderError, match=r"child\.log"):
        await ChildProcess.start("a child", [sys.executable, "-V"], log=tmp_path / "child.log")
    assert victim.read_text() == "mine"
