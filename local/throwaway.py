"""A stack for one run: its folder goes with it unless something failed, and its end ends the work on it."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import DemoFailedError, FolderError, StackError
from local.stack import Stack


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for state and logs, which is kept when the block raises `StackError`.

    That is raised again as `DemoFailedError`, whose text says where the folder is.
    """
    path = _new_folder()
    try:
        yield path
    except StackError as exc:
        raise DemoFailedError(f"{exc}\nState and logs were kept in {path}") from exc
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    shutil.rmtree(path)


def _new_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="local-demo-"))
    except OSError as exc:
        raise FolderError(
            f"no folder for temporary files can be made: {exc.strerror or exc}; set TMPDIR to one that can be written"
        ) from exc


async def while_all_run(running: Stack, work: Coroutine[object, object, None]) -> None:
    """Do the work; raise the `ProcessEndedError` of a process of the stack that ends before it."""
    working = asyncio.create_task(work)
    watch = asyncio.create_task(running.first_end())
    try:
        await asyncio.wait({working, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise watch.result()
        await working
    finally:
        working.cancel()
        watch.cancel()
        await asyncio.gather(working, watch, return_exceptions=True)
