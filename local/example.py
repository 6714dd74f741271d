"""Run one of the examples on a throwaway stack: its routes, its tools and its inputs, and what came out."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from batch_core.app import open_app
from batch_core.cli.drop_plan import plan
from batch_core.cli.dropping import drop_files
from batch_core.cli.session import Session
from batch_core.cli.terminal import Terminal
from batch_core.naming import FILES_FOLDER
from local import stack, throwaway
from local.blob_storage import blob_storage
from local.errors import DemoFailedError
from local.functions_host import HostKind
from local.settings_file import CHECKOUT, AppSettings
from local.stack import Plan

EXAMPLES: Final = CHECKOUT / "examples"

_TOOLS: Final = "tools"
_NEEDS: Final = "needs.txt"
#: The beginning of each output that is shown, in characters.
_SHOWN: Final = 2000


@dataclass(frozen=True, kw_only=True)
class Example:
    """A folder with `routes.toml`, `inputs` and, where a command needs more than its file, `tools`.

    `needs.txt` names the programs, one a line, that must be installed on this machine.
    """

    folder: Path

    @property
    def routes(self) -> Path:
        return self.folder / "routes.toml"

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs"

    @property
    def tools(self) -> list[Path]:
        return sorted((self.folder / _TOOLS).glob("*"))

    @property
    def missing(self) -> list[str]:
        """The programs that it needs and this machine does not have."""
        needs = self.folder / _NEEDS
        programs = needs.read_text().split() if needs.exists() else []
        return [program for program in programs if shutil.which(program) is None]


def names() -> list[str]:
    """Return what the examples are called."""
    return sorted(routes.parent.name for routes in EXAMPLES.glob("*/routes.toml"))


async def run(name: str, host: HostKind) -> None:
    """Run an example.

    Raises `StackError` for one that does not exist, or needs what is not installed, and for a task that does not
    succeed.
    """
    if name not in names():
        raise DemoFailedError(f"there is no example {name!r}: there are {', '.join(names())}")
    example = Example(folder=EXAMPLES / name)
    if example.missing:
        programs = ", ".join(example.missing)
        raise DemoFailedError(f"the example {name} needs {programs}, which is not installed")
    with throwaway.folder() as folder:
        planned = Plan.throwaway(folder, host).with_routes(example.routes)
        async with stack.running(planned, print) as running:
            await throwaway.while_all_run(running, _run_on(example, planned.settings))


async def _run_on(example: Example, settings: AppSettings) -> None:
    app_settings = settings.validated()
    async with blob_storage(app_settings, "running the example") as blobs:
        if example.tools:
            await _upload_tools(example, blobs)
        print()
        code = await _drop_all(example.inputs, settings)
        await _show_files(blobs.get_container_client(app_settings.output_container))
    if code:
        raise DemoFailedError("not every file was processed: the lines above say why")


async def _drop_all(inputs: Path, settings: AppSettings) -> int:
    """Drop the inputs and wait for their tasks, as `batchdrop drop --wait` does; return its exit code."""
    app = open_app(settings.validated(), env=settings.values)
    try:
        return await drop_files(Session(app=app, terminal=Terminal()), plan([inputs]), is_awaited=True)
    finally:
        await app.clients.close()


async def _upload_tools(example: Example, blobs: BlobServiceClient) -> None:
    """Put the tools into a container of the linked Storage account: the routes name it as `auto_storage`."""
    container = await blobs.create_container(_TOOLS)
    for file in example.tools:
        print(f"Uploading {file.name} to container [{_TOOLS}]...")
        await container.upload_blob(file.name, file.read_bytes())


async def _show_files(outputs: ContainerClient) -> None:
    """Print the files that commands made; what they printed is said already."""
    async for blob in outputs.list_blobs():
        if f"/{FILES_FOLDER}/" in blob.name:
            content = await (await outputs.download_blob(blob.name)).readall()
            print(f"\n{outputs.container_name}/{blob.name}:")
            print(_beginning(content))


def _beginning(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return f"({len(content):,} bytes, not text)"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
