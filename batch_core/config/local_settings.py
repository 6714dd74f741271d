"""Reads `local.settings.json`, as Azure Functions Core Tools and editors write it.

Core Tools read it with Newtonsoft.Json (`AppSettingsFile.cs` of azure-functions-core-tools): comments and trailing
commas are taken, numbers and truth values become texts, and null means that a value is not set.
https://learn.microsoft.com/azure/azure-functions/functions-develop-local#local-settings-file
"""

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from batch_core.errors import SettingsError
from batch_core.problems import Problems

LOCAL_SETTINGS: Final = Path("local.settings.json")
#: What a checkout has besides; the local stack runs with it where it has no settings of its own.
EXAMPLE_SETTINGS: Final = Path("local.settings.json.example")
_DEFAULT_HOST_PORT: Final = 7071

_TEXT: Final = r'"(?:\\.|[^"\\])*"'
_COMMENT: Final = re.compile(rf"{_TEXT}|//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA: Final = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])", re.DOTALL)
# What editors on Windows write; PowerShell's `>` writes UTF-16.
_ENCODINGS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """The `Values` of a file, and the port that its `Host` section may name."""

    file: Path
    values: Mapping[str, str] = field(repr=False)
    host_port: int = _DEFAULT_HOST_PORT

    @classmethod
    def read(cls, file: Path) -> "LocalSettings":
        """Read a file; raises `FileNotFoundError` if it does not exist, and `SettingsError` with every problem.

        A problem names the file and the setting, and repeats no value.
        """
        try:
            document = _parsed(_text(file))
            problems = Problems()
            values = _values(file, document, problems)
            port = _port(file, document, problems)
            problems.raise_as(SettingsError)
        except FileNotFoundError:
            raise
        except OSError as exc:
            raise SettingsError([f"{file} cannot be read: {exc.strerror}"]) from exc
        except ValueError as exc:
            raise SettingsError([f"{file} is not valid: {exc}"]) from exc
        return cls(file=file, values=values, host_port=port)


def _text(file: Path) -> str:
    content = file.read_bytes()
    encoding = next((name for bom, name in _ENCODINGS.items() if content.startswith(bom)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as exc:
        raise ValueError("it is not UTF-8: save it in this encoding") from exc


def _parsed(text: str) -> dict[str, object]:
    # Blanked, not removed, so that an error names the right line and column.
    for pattern in (_COMMENT, _TRAILING_COMMA):
        text = pattern.sub(_blanked, text)
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    if not isinstance(document, dict):
        raise ValueError("it must be JSON with an object 'Values'")  # noqa: TRY004 - a fault of the file
    return document


def _blanked(match: re.Match[str]) -> str:
    found = match.group()
    return found if found.startswith('"') else re.sub(r"[^\r\n]", " ", found)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"it has {min(twice)} twice")
    return dict(pairs)


def _section(document: Mapping[str, object], name: str) -> object:
    # Core Tools find the sections in any spelling.
    return next((value for key, value in document.items() if key.lower() == name.lower()), None)


def _values(file: Path, document: Mapping[str, object], problems: Problems) -> dict[str, str]:
    if str(_section(document, "IsEncrypted")).lower() == "true":
        problems.note(f"{file} is not valid: it is encrypted: `func settings decrypt` makes it readable")
        return {}
    values = _section(document, "Values")
    if not isinstance(values, dict):
        problems.note(f"{file} is not valid: 'Values' must be an object of names and values")
        return {}
    problems.note_all(
        f"{file} is not valid: {name} must be a text, not a list or an object"
        for name, value in values.items()
        if isinstance(value, list | dict)
    )
    return {name: _as_text(value) for name, value in values.items() if value is not None}


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _port(file: Path, document: Mapping[str, object], problems: Problems) -> int:
    host = _section(document, "Host") or {}
    if not isinstance(host, dict):
        problems.note(f"{file} is not valid: 'Host' must be an object")
        return _DEFAULT_HOST_PORT
    port = str(_section(host, "LocalHttpPort") or _DEFAULT_HOST_PORT)
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        problems.note(f"{file} is not valid: 'LocalHttpPort' must be a port: a number from 1 to 65535")
        return _DEFAULT_HOST_PORT
    return int(port)
