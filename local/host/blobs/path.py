"""The path of a blob trigger, e.g. `inbox/{name}` or `inbox/reports/{day}/{name}.csv`.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-blob-trigger#blob-name-patterns
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from local.host.errors import BindingError

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{(\w+)\}|[{}]")


@dataclass(frozen=True)
class BlobPath:
    """A container and a pattern of blob names; an empty pattern means every blob."""

    container: str
    pattern: str

    @classmethod
    def parse(cls, text: str) -> "BlobPath":
        """Read a binding's path; raise BindingError when it cannot be one."""
        container, _, pattern = text.partition("/")
        if not container or "{" in container:
            raise BindingError(f"{text!r} is no blob path: a container's name must come first")
        path = cls(container, pattern)
        _ = path._expression  # raises BindingError now and not at the first blob
        return path

    @property
    def prefix(self) -> str:
        """What every matching name begins with: a listing need not go further."""
        return re.split(r"[{}]", self.pattern, maxsplit=1)[0]

    def match(self, container: str, blob: str) -> dict[str, str] | None:
        """Return what the pattern's parts match in this blob's name; None without a match."""
        if container != self.container:
            return None
        # As .NET matches: a newline is no part of a name, but for one at its end.
        found = self._expression.match(blob)
        return None if found is None else found.groupdict()

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        if not self.pattern:
            return re.compile(".*", re.DOTALL)
        expression, end = "", 0
        for token in _TOKEN.finditer(self.pattern):
            expression += re.escape(self.pattern[end : token.start()]) + self._part(token)
            end = token.end()
        return re.compile(expression + re.escape(self.pattern[end:]) + "$")

    def _part(self, token: re.Match[str]) -> str:
        if token[1]:
            return f"(?P<{token[1]}>.+)"
        if token[0] in {"{{", "}}"}:
            return re.escape(token[0][0])
        raise BindingError(f"the blob path {self.pattern!r} has a lone {token[0]!r}")
