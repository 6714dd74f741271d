"""What the commands print: results on standard output, talk on standard error.

Whatever is printed here is escaped here: no name and no message gives a terminal orders, and markup of rich is text.
Colours and live views are for terminals whose user has not set NO_COLOR (https://no-color.org); elsewhere columns are
padded and nothing is cut.
"""

import codecs
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol, TextIO

from rich import table as rich_tables
from rich.console import Console, Group, RenderableType
from rich.text import Text

from batch_core.cli.escaping import in_line, printable
from batch_core.http.replies import Reply

#: How the words of a state, or of a check, look in a table.
_STYLES: Final = {
    **dict.fromkeys(("succeeded", "ok"), "green"),
    **dict.fromkeys(("failed", "output_lost", "rejected", "wrong"), "bold red"),
    "cancelled": "yellow",
    "submitted": "cyan",
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a view; `whole` columns, by their names, are never cut on a terminal that is too narrow."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    whole: frozenset[str] = frozenset()


#: A part of a view: a line, or a table.
type Block = str | Table


class _Decoder(Protocol):
    def decode(self, data: bytes, /) -> str: ...


def _decoder() -> _Decoder:
    return codecs.getincrementaldecoder("utf-8")(errors="replace")


def _console(stream: TextIO) -> Console:
    is_plain = not stream.isatty() or bool(os.environ.get("NO_COLOR"))
    return Console(
        file=stream,
        force_terminal=stream.isatty() and not is_plain,
        color_system=None if is_plain else "auto",
        markup=False,
        highlight=False,
        emoji=False,
    )


@dataclass(kw_only=True)
class Terminal:
    """Where a command prints; `is_json`: results are documents, one a line."""

    is_json: bool = False
    _out: TextIO = field(default_factory=lambda: sys.stdout)
    _err: TextIO = field(default_factory=lambda: sys.stderr)
    _decode: _Decoder = field(default_factory=_decoder)
    _said: str = field(default="", init=False)

    @property
    def console(self) -> Console:
        """The console of results, for live views."""
        return _console(self._out)

    @property
    def talk(self) -> Console:
        """The console of talk, for progress."""
        return _console(self._err)

    @property
    def is_live(self) -> bool:
        """Whether standard output can be drawn over."""
        return self.console.is_terminal and not self.is_json

    def say(self, text: str) -> None:
        """Print what is no result; lines of the text stay lines."""
        self._out.flush()
        print(printable(text), file=self._err, flush=True)

    def say_once(self, text: str) -> None:
        """Print what is no result, unless it was what was said last in this way."""
        if text != self._said:
            self.say(text)
        self._said = text

    def line(self, text: str) -> None:
        """Print a result."""
        print(printable(text), file=self._out, flush=True)

    def document(self, document: Mapping[str, object]) -> None:
        """Print a result as a line of JSON, as the HTTP API writes it."""
        text = Reply(status=200, document=document).body.decode(errors="backslashreplace")
        # Escapes of JSON: of what is in it a terminal may obey.
        self._out.write("".join(char if char.isprintable() or char == "\n" else _json_escape(char) for char in text))
        self._out.flush()

    def content(self, content: bytes) -> None:
        """Print bytes of an output: as they are, but on a terminal as text without control characters."""
        if not self._out.isatty():
            self._out.flush()
            self._out.buffer.write(content)
            self._out.buffer.flush()
            return
        self._out.write(printable(self._decode.decode(content).replace("\r\n", "\n")))
        self._out.flush()

    def show(self, *blocks: Block) -> None:
        """Print a view."""
        if self.is_live:
            self.console.print(drawn(blocks))
            return
        for block in blocks:
            lines = [printable(block)] if isinstance(block, str) else _padded(block)
            print(*lines, sep="\n", file=self._out, flush=True)

    @contextmanager
    def waiting(self) -> Iterator["Waiting"]:
        """Give a line that says what is being waited for, until the block is left."""
        talk = self.talk
        if not talk.is_terminal:
            yield Waiting(terminal=self)
            return
        with talk.status("") as status:
            yield Waiting(terminal=self, update=lambda text: status.update(Text(text)))


class _Update(Protocol):
    def __call__(self, text: str, /) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What is being waited for: one line that changes on a terminal, elsewhere a line whenever it is another."""

    terminal: Terminal
    update: _Update | None = None

    def show(self, text: str) -> None:
        """Show a text in place of the one before."""
        if self.update is None:
            self.terminal.say_once(text)
        else:
            self.update(in_line(text))


def drawn(blocks: Sequence[Block]) -> RenderableType:
    """Return what draws the blocks on a terminal."""
    return Group(*(Text(printable(block)) if isinstance(block, str) else _drawn_table(block) for block in blocks))


def _drawn_table(table: Table) -> rich_tables.Table:
    found = rich_tables.Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(table.columns):
        widest = max((len(row[number]) for row in table.rows), default=0) if name in table.whole else None
        found.add_column(name, no_wrap=True, overflow="ellipsis", min_width=widest)
    for row in table.rows:
        found.add_row(*(Text(in_line(cell), style=_STYLES.get(cell, "")) for cell in row))
    return found


def _padded(table: Table) -> list[str]:
    rows = [list(table.columns), *([in_line(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(table.columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _json_escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
