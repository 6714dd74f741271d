"""The progress of a wait: one line that changes on a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass, field
from typing import Self, TextIO


@dataclass(kw_only=True)
class Progress:
    """Shows the latest state of a wait, on a terminal with the seconds since it began.

    Use it as a context manager: an error must not be written behind an unfinished line.
    """

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    _began: float = field(default_factory=time.monotonic, init=False)
    _shown: str = field(default="", init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def show(self, text: str) -> None:
        """Show `text`: on a terminal it replaces the previous one, elsewhere it is printed only if it is new."""
        if self.stream.isatty():
            seconds = time.monotonic() - self._began
            self.stream.write(f"\r\x1b[K{text} ({seconds:.0f} s)")
        elif text != self._shown:
            self.stream.write(text + "\n")
        self._shown = text
        self.stream.flush()

    def end(self) -> None:
        """Finish the line, so that whatever is printed next begins a new one."""
        if self._shown and self.stream.isatty():
            self.stream.write("\n")
            self.stream.flush()
        self._shown = ""
