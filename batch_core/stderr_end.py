"""The end of what a failed command wrote to standard error, fit for a record: short, printable, without secrets."""

import re
import unicodedata
from typing import Final

from batch_core.redaction import redacted

#: Of a record's `stderr_end`, in characters.
MAX_CHARACTERS: Final = 2000
#: What is looked at to find them, in bytes: more than they need, so that a secret is seen whole before it is cut.
WINDOW: Final = 16 * 1024
_EDGE: Final = 2048

#: Colours and cursor movements (ECMA-48), and titles of windows.
_TERMINAL: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def readable_end(content: bytes) -> str | None:
    """Return the end of what a command wrote to standard error: at most 2,000 characters, None if it wrote nothing.

    `content` is all of it or its last bytes. Whole lines where that is possible; what is no text becomes U+FFFD.
    """
    text = content[-WINDOW:].decode("utf-8", errors="replace")
    if len(content) >= WINDOW:
        # It may begin within a secret: nothing of it is long enough to reach further than this.
        text = text[_EDGE:]
    text = redacted(_printable(text)).strip()
    return _last_lines(text) or None


def _printable(text: str) -> str:
    text = _TERMINAL.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char if char in "\n\t" or not _is_control(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _is_control(char: str) -> bool:
    # Marks of direction, too, could make a line read as another one.
    return unicodedata.category(char) == "Cc" or char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def _last_lines(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    kept = text[-MAX_CHARACTERS:]
    first, _, rest = kept.partition("\n")
    return rest if rest and len(first) < MAX_CHARACTERS // 2 else kept
