"""`batchdrop logs`: what a task's command prints, while it runs and afterwards."""

import asyncio
import codecs
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Final

from cyclopts import Parameter

from batch_core.app import App
from batch_core.cli.finding import newest_task
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.task_show import TaskName
from batch_core.cli.usage import UsageError
from batch_core.errors import NotNow, OutputNotFound, Unavailable
from batch_core.output_reading import Output, Stream, read_printed
from batch_core.services.output_values import MOST_BYTES, Extent
from batch_core.state.record import TaskRecord, TaskState

#: How often a task that is followed is looked at, in seconds.
POLL_SECONDS: Final = 1.0

type _Follow = Annotated[
    bool, Parameter(name=["--follow", "-f"], negative="", help="Go on until the task ends.", show_default=False)
]
type _Stderr = Annotated[bool, Parameter(negative="", help="Standard error in place of output.", show_default=False)]
_TAIL: Final = f"Begin with the last N lines, of at most the last {MOST_BYTES // 1024 // 1024} MiB."
type _Tail = Annotated[int | None, Parameter(name=["--tail", "-n"], help=_TAIL, metavar="N")]


def logs(
    task: TaskName,
    /,
    *,
    follow: _Follow = False,
    stderr: _Stderr = False,
    tail: _Tail = None,
    options: Options = DEFAULTS,
) -> int:
    """Print what a task's command prints; with -f until it ends, and the exit code says how.

    Of a file, the newest attempt is meant. The exit code of -f is 0 if the task succeeds, else 1.

    For example:
        batchdrop logs -f recipe.txt
        batchdrop logs --stderr -n 20 recipe.txt

    """
    if tail is not None and tail < 0:
        raise UsageError(f"--tail is {tail}: it must be a whole number, 0 or more")
    stream = Stream.STDERR if stderr else Stream.STDOUT
    return run(options, partial(_logs, name=task, stream=stream, tail=tail, is_followed=follow))


async def _logs(session: Session, name: str, stream: Stream, tail: int | None, *, is_followed: bool) -> int:
    record = await newest_task(session.app, name)
    reading = Reading(session=session, task_id=record.task_id, stream=stream)
    if not is_followed:
        await reading.print_all(tail)
        return 0
    return await say_end(session, await reading.follow(tail))


async def say_end(session: Session, record: TaskRecord) -> int:
    """Say how a task ended; returns the exit code that says so."""
    ending = f"task {record.task_id} {record.state}"
    code = "" if record.exit_code is None else f", exit code {record.exit_code}"
    session.terminal.say(f"{ending}{code}" + (f": {record.reason}" if record.reason else ""))
    return 0 if record.state is TaskState.SUCCEEDED else 1


@dataclass(kw_only=True)
class Reading:
    """An output that is read from its beginning, or from its last lines, to its end."""

    session: Session
    task_id: str
    stream: Stream
    #: The byte that is read next.
    place: int = 0
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    async def print_all(self, tail: int | None = None) -> Output:
        """Print all there is so far. Raises as `read_printed` does."""
        output = await (self._next() if tail is None else self._last(tail))
        while self.place < output.size:
            output = await self._next()
        return output

    async def follow(self, tail: int | None = None) -> TaskRecord:
        """Print what comes until the task has its final state, and return its record then.

        What is not there yet, or out of reach for now, is said and waited for. Raises the `ServiceError` that fits.
        """
        app, terminal = self.session.app, self.session.terminal
        is_begun = tail is None
        while True:
            try:
                output = await (self._next() if is_begun else self._last(tail or 0))
            except (NotNow, Unavailable) as exc:
                terminal.say_once(f"{exc}; waiting...")
            except OutputNotFound as exc:
                terminal.say_once(str(exc))
                if (record := await _record(app, self.task_id)).state.is_final:
                    return record
            else:
                is_begun = True
                if self.place < output.size:
                    continue
                if output.state.is_final:
                    return await _record(app, self.task_id)
            await asyncio.sleep(POLL_SECONDS)

    async def _next(self) -> Output:
        """Print the next part, which may be empty."""
        output = await read_printed(self.session.app, self.task_id, self.stream, Extent(start=self.place))
        if self.place > output.size:
            self.session.terminal.say("it began again: Batch put the task back into its queue")
            self.place = 0
            return await self._next()
        self._print(output, output.content)
        return output

    async def _last(self, lines: int) -> Output:
        """Print the last lines."""
        output = await read_printed(self.session.app, self.task_id, self.stream, Extent(start=None, length=MOST_BYTES))
        kept = output.content.splitlines(keepends=True)
        self._print(output, b"".join(kept[len(kept) - lines :] if lines < len(kept) else kept) if lines > 0 else b"")
        return output

    def _print(self, output: Output, content: bytes) -> None:
        end = output.start + len(output.content)
        if self.session.terminal.is_json:
            text = self._decoder.decode(content, final=output.state.is_final and end >= output.size)
            about = {"task_id": self.task_id, "stream": self.stream, "state": output.state}
            self.session.terminal.document(
                {**about, "start": end - len(content), "end": end, "size": output.size, "text": text}
            )
        elif content:
            self.session.terminal.content(content)
        self.place = end


async def _record(app: App, task_id: str) -> TaskRecord:
    return (await app.table.get(task_id)).record
