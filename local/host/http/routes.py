"""Route templates of HTTP functions: which function answers a method and path.

Templates are those of ASP.NET routing: `tasks/{id}`, `{name?}`, `{count:int}`, `{*rest}`. As there, a catch-all has all
that follows, a slash at the end included, and slashes that were encoded: App Service decodes them before the host sees
them (https://github.com/Azure/azure-functions-host/issues/9290).
https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#customize-the-http-endpoint
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import unquote

from local.host.bindings import HttpTrigger
from local.host.errors import BindingError

_PARAMETER: Final = re.compile(r"\{(\*{0,2})(\w+)((?::[^{}?]+)*)(\??)\}")
_CONSTRAINTS: Final = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "bool": r"(?i:true|false)",
    "alpha": r"[A-Za-z]+",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "decimal": r"-?\d+(?:\.\d+)?",
    "double": r"-?\d+(?:\.\d+)?",
    "required": r"[^/]+",
}


@dataclass(frozen=True)
class Route:
    """The route of one HTTP function, the prefix of host.json included."""

    trigger: HttpTrigger
    template: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The regular expression of raw (percent-encoded) paths without leading slash."""
        segments = self.template.strip("/").split("/")
        return re.compile("".join(map(_segment, range(len(segments)), segments)), re.IGNORECASE)

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the route's parameters, decoded, or None if this is another's request."""
        if self.trigger.methods and method not in self.trigger.methods:
            return None
        # A slash at the end means nothing, unless a catch-all has it.
        found = self.pattern.fullmatch(path.lstrip("/") if self.has_catch_all else path.strip("/"))
        if found is None:
            return None
        return {name: unquote(value) for name, value in found.groupdict().items() if value}

    @property
    def has_catch_all(self) -> bool:
        return "{*" in self.template

    @property
    def precedence(self) -> list[int]:
        """Sort key: literal segments before parameters before catch-alls, as ASP.NET has it."""
        return [_rank(segment) for segment in self.template.strip("/").split("/")]


class Routes:
    """All HTTP functions of an app."""

    def __init__(self, triggers: Iterable[HttpTrigger], prefix: str) -> None:
        routes = [Route(trigger, f"{prefix}/{trigger.route}".strip("/")) for trigger in triggers]
        self.routes = sorted(routes, key=lambda route: route.precedence)
        for route in self.routes:
            _ = route.pattern  # raises BindingError now and not at the first request

    def find(self, method: str, raw_path: str) -> tuple[HttpTrigger, dict[str, str]] | None:
        """Return the function that answers and its route parameters."""
        for route in self.routes:
            if (parameters := route.match(method, raw_path)) is not None:
                return route.trigger, parameters
        return None


def _segment(position: int, template: str) -> str:
    slash = "/" if position else ""
    whole = _PARAMETER.fullmatch(template)
    if whole is None:
        return slash + _mixed(template)
    stars, name, constraints, optional = whole.groups()
    if stars:
        return f"(?:{slash}(?P<{name}>.*))?"
    value = f"{slash}(?P<{name}>{_constrained(constraints)})"
    return f"(?:{value})?" if optional else value


def _mixed(template: str) -> str:
    pattern, end = "", 0
    for parameter in _PARAMETER.finditer(template):
        pattern += re.escape(template[end : parameter.start()])
        pattern += f"(?P<{parameter[2]}>{_constrained(parameter[3])})"
        end = parameter.end()
    rest = template[end:]
    if "{" in rest or "}" in rest:
        raise BindingError(f"the route segment {template!r} cannot be understood")
    return pattern + re.escape(rest)


def _constrained(constraints: str) -> str:
    for constraint in filter(None, constraints.split(":")):
        if constraint not in _CONSTRAINTS:
            raise BindingError(f"this host has no route constraint {constraint!r}")
        return _CONSTRAINTS[constraint]
    return "[^/]+"


def _rank(segment: str) -> int:
    if "{" not in segment:
        return 0
    if "{*" in segment:
        return 4
    return 1 if _PARAMETER.fullmatch(segment) is None else 2 + segment.endswith("?}")
