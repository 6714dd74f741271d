"""`%TOKEN%` in a text of `routes.toml` stands in for the setting `TOKEN`, and `%%` for a percent sign.

A name has three characters or more: so dates (`%Y%m%d`) and what is percent-encoded (`caf%C3%A9`) are nearly always
what they seem to be.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_REFERENCE: Final = re.compile(r"%(?:%|([A-Za-z_][A-Za-z0-9_]{2,})%)")


def filled_in(value: Any, value_of: Callable[[str], str]) -> Any:  # noqa: ANN401 - tables, lists and texts
    """Return a value with what each setting that its texts name is worth; `%%` becomes `%`.

    Raises what `value_of` raises for a name.
    """
    if isinstance(value, dict):
        return {name: filled_in(item, value_of) for name, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item, value_of) for item in value]
    if not isinstance(value, str):
        return value
    return _REFERENCE.sub(lambda match: value_of(match[1]) if match[1] else "%", value)


def unset_in(value: object, env: Mapping[str, str]) -> list[str]:
    """Return the names of settings that texts in the value name and that are not set, each once."""
    named: dict[str, None] = {}

    def noted(name: str) -> str:
        named[name] = None
        return ""

    filled_in(value, noted)
    return [name for name in named if name not in env]


def is_only_references(text: str) -> bool:
    """Return whether a text is made of names of settings alone, and so holds nothing that could be a secret."""
    return not _REFERENCE.sub("", text)


def begins_with_setting(text: str) -> bool:
    """Return whether a text begins with what a setting holds."""
    found = _REFERENCE.match(text)
    return found is not None and found[1] is not None
