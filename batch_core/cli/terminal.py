"""What the commands print: results on standard output, talk on standard error.

Whatever is printed here is escaped here: no name and no message gives a terminal orders, and markup of rich is text.
On a terminal, views fit its width: columns are cut, lines wrap between words; elsewhere nothing is cut. Colours are for
terminals whose user has not set NO_COLOR (https://no-color.org), which is about nothing else.
"""

import codecs
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.text import Text

from batch_core.cli.columns import Table, lines_of
from batch_core.cli.escaping import in_line, printable
from batch_core.http.replies import Reply

#: How the words of a state, or of a check, look in a table.
_STYLES: Final = {
    **dict.fromkeys(("succeeded", "ok"), "green"),
    **dict.fromkeys(("failed", "output_lost", "rejected", "wrong"), "bold red"),
    "cancelled": "yellow",
    "submitted": "cyan",
}
#: The fewest cells that text is wrapped to.
_LEAST: Final = 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of a view that begins with what it is about; what is too long goes on below, beside that."""

    about: str
    text: str
    margin: int = 12

    def lines(self, width: int | None = None) -> list[str]:
        """Return it in lines of a width; in one without a width, or where hardly anything would be in one."""
        about, text = f"{in_line(self.about):<{self.margin}}", in_line(self.text)
        if width is None or width - self.margin < _LEAST:
            return [about + text]
        wrapper = textwrap.TextWrapper(width=width, break_on_hyphens=False, break_long_words=False)
        wrapper.initial_indent, wrapper.subsequent_indent = about, " " * self.margin
        return wrapper.wrap(text) or [about.rstrip()]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A line for a shell, to be copied: it is never broken, however long it is."""

    text: str
    margin: int = 0

    @property
    def line(self) -> str:
        return " " * self.margin + in_line(self.text)


#: A part of a view: a line, or a table.
type Block = str | Entry | Command | Table


class _Decoder(Protocol):
    def decode(self, data: bytes, /) -> str: ...


def _decoder() -> _Decoder:
    return codecs.getincrementaldecoder("utf-8")(errors="replace")


def _console(stream: TextIO) -> Console:
    is_terminal = stream.isatty()
    has_colours = is_terminal and not os.environ.get("NO_COLOR")
    return Console(
        file=stream,
        force_terminal=is_terminal,
        color_system="auto" if has_colours else None,
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
            console = self.console
            console.print(drawn(blocks, console.width), crop=False)
            if left_out := _left_out(blocks, console.width):
                self.say(f"there is no room for {left_out}: a wider terminal shows it, as does --json")
            return
        for block in blocks:
            print(*_plain(block), sep="\n", file=self._out, flush=True)

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


def drawn(blocks: Sequence[Block], width: int) -> RenderableType:
    """Return what draws the blocks on a terminal of a width."""
    return Group(*(text for block in blocks for text in _drawn(block, width)))


def _drawn(block: Block, width: int) -> list[Text]:
    if isinstance(block, str):
        return [Text(printable(block))]
    if isinstance(block, Entry):
        return [Text(line) for line in block.lines(width)]
    if isinstance(block, Command):
        return [Text(block.line, style="bold", no_wrap=True, overflow="ignore")]
    head, *rows = lines_of(_escaped(block).fitted(width))
    texts = [_row(head, "bold"), *map(_row, rows)]
    for text in texts:
        text.no_wrap, text.overflow = True, "ellipsis"
    return texts


def _row(cells: Sequence[str], style: str = "") -> Text:
    text = Text()
    for cell in cells:
        word = cell.rstrip()
        text.append(word, style or _STYLES.get(word, "")).append(cell[len(word) :])
    return text


def _left_out(blocks: Sequence[Block], width: int) -> str:
    """Return the columns that a terminal of this width has no room for."""
    tables = [block for block in blocks if isinstance(block, Table)]
    kept = {name for table in tables for name in _escaped(table).fitted(width).columns}
    return ", ".join(name for table in tables for name in table.columns if name not in kept)


def _plain(block: Block) -> list[str]:
    if isinstance(block, str):
        return [printable(block)]
    if isinstance(block, Entry):
        return block.lines()
    if isinstance(block, Command):
        return [block.line]
    return ["".join(cells) for cells in lines_of(_escaped(block))]


def _escaped(table: Table) -> Table:
    return replace(table, rows=[[in_line(cell) for cell in row] for row in table.rows])


def _json_escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
