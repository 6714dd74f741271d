"""How long one file takes that is dropped when nothing else goes on."""

import asyncio
import random
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Final

import whole_app
from dropping import arrived, drop
from milestones import Milestones, milestones
from relayed_stack import Conditions, services
from whole_app import WholeApp

_POLL_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 60
#: Longer than any pause of the app's between two looks, so that files come at any moment of it.
_LONGEST_PAUSE_SECONDS: Final = 4.0


async def idle_files(conditions: Conditions) -> tuple[list[float], Milestones]:
    """Drop one file after the other, each when the one before is done; return how long each took.

    In seconds until its output had arrived, since its upload began; the milestones count from the end of the upload.
    """
    with tempfile.TemporaryDirectory(prefix="peers-") as path:
        async with services(Path(path), conditions) as running, whole_app.running(running, Path(path)) as app:
            await app.warm_up()
            files = [await _drop_and_wait(app, f"{number:06}.txt") for number in range(conditions.files)]
            dropped = {name: moment for _, of_one in files for name, moment in of_one.items()}
            return [seconds for seconds, _ in files], milestones(await app.until_closed(dropped), dropped)


async def _drop_and_wait(app: WholeApp, name: str) -> tuple[float, dict[str, datetime]]:
    """Drop a file some time from now; return the seconds until its output had arrived, and when it was dropped."""
    await asyncio.sleep(random.uniform(1, _LONGEST_PAUSE_SECONDS))  # noqa: S311 - any moment will do
    began = time.monotonic()
    dropped = await drop(app.inputs, [name])
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not await arrived(app.outputs, f"{name}/"):
            await asyncio.sleep(_POLL_SECONDS)
    return time.monotonic() - began, dropped
