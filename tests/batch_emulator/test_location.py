"""The state directory holds nothing that leads elsewhere."""

import asyncio
import fcntl
import re

import pytest

from batch_emulator.location import Location
from batch_emulator.store.database import StoreError
from tests.batch_emulator.execution.test_process import start

FILES = ("lock", "batch.db", "batch.db-wal", "batch.db-shm")


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text("mine")
    path.chmod(0o644)
    return path


@pytest.fixture
def state(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
@pytest.mark.parametrize("name", FILES)
def test_a_link_in_place_of_an_own_file_is_refused_and_its_target_untouched(victim, state, name, link):
    getattr(state / name, link)(victim)
    with pytest.raises(StoreError, match=f"^{re.escape(str(state / name))} is no file of its own"):
        Location.claim(state)
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("mine", 0o644)


async def test_an_emulator_does_not_start_on_a_link_in_place_of_its_database(victim, state):
    (state / "batch.db").symlink_to(victim)
    process = await start("--location", str(state))
    try:
        async with asyncio.timeout(20):
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 1
    [line] = err.decode().splitlines()
    assert line.startswith(f"The emulator cannot start: {state}/batch.db is no file of its own")
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("mine", 0o644)


def test_a_link_in_place_of_the_nodes_is_refused_and_its_target_untouched(tmp_path, state):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (state / "nodes").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="no directory of its own"):
        Location.claim(state)
    assert elsewhere.stat().st_mode & 0o777 == 0o755


def test_a_lock_that_another_process_holds_keeps_its_content(state):
    with (state / "lock").open("w+") as holder:
        holder.write("whose it is")
        holder.flush()
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="Another emulator is using"):
            Location.claim(state)
    assert (state / "lock").read_text() == "whose it is"
