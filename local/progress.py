"""What a waiting user sees: one line that changes on a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(kw_only=True)
class Progress:
    """Shows the newest state of a wait, with the seconds since it began."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    _began: float = field(default_factory=time.monotonic, init=False)
    _shown: str = field(default="", init=False)

    def show(self, text: str) -> None:
        """Show `text`; on a terminal it replaces what was shown, elsewhere only news is printed."""
        if self.stream.isatty():
            seconds = time.monotonic() - self._began
            self.stream.write(f"\r\x1b[K{text} ({seconds:.0f} s)")
        elif text != self._shown:
            self.stream.write(text + "\n")
        self._shown = text
        self.stream.flush()

    def end(self) -> None:
        """Leave the line, so that what is printed next does not follow it."""
        if self._shown and self.stream.isatty():
            self.stream.write("\n")
            self.stream.flush()
        self._shown = ""
