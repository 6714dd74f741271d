"""What is dropped: files with awkward names and awkward content, all of it decided by the seed."""

from dataclasses import dataclass
from random import Random
from typing import Final

#: `{}` is replaced by a file's number and what its command does. Every one of them is a valid blob name.
_NAMES: Final = (
    "plain-{}.txt",
    "two words {}.txt",
    " leading and trailing {} ",
    "Zürich-{}-naïve-日本語.txt",
    "e\u0301-{}-\N{WOMAN}\u200d\N{PERSONAL COMPUTER}.bin",
    "\u202eright-to-left-{}-\u05e9\u05dc\u05d5\u05dd.txt",
    'it\'s a "{}" `id`.txt',
    "$(touch x) {}; rm -rf x & $HOME.txt",
    "100%2F%00%{}%20.txt",
    "%INPUT_FILE%-{}.txt",
    "...up../..{}../.. /etc.txt",
    "..{}",
    "dots-{}...",
    "folder/{}/deeper//file.txt",
    "slash-{}/",
    "-rf {}",
    "--{}=x",
    ".hidden-{}",
    "#{}?&+=@,:;.txt",
    "*[{}]?{{}}~.txt",
    "line\nbreak\ttab {}.txt",
    "{}-" + "long " * 40 + ".txt",
    "{}/" + "ü" * 900,
)
#: A pair: two files whose names differ only by case.
_CASES: Final = ("Case-{}.TXT", "case-{}.txt")

#: What a file's command does beside printing the file: see `command.sh`.
_BEHAVIOURS: Final = ("", "", "", "", "", "-exit7", "-bytes", "-slow")
_LARGE: Final = (2_000_000, 5_000_000)


@dataclass(frozen=True, kw_only=True)
class Version:
    """One content that a file has for a while; `number` counts the versions of a file, the first is 1."""

    name: str
    number: int
    content: bytes


def plan(seed: int, count: int) -> list[Version]:
    """Return the versions of `count` files in the order in which they are dropped; about one file in six has two."""
    dice = Random(f"{seed}-files")  # noqa: S311 - dice, not secrets
    names = _names(dice, count)
    waiting = [Version(name=name, number=1, content=_content(dice, name, 1)) for name in names]
    versions: list[Version] = []
    while waiting:
        version = waiting.pop(0)
        versions.append(version)
        if version.number == 1 and dice.random() < 1 / 6:
            again = Version(name=version.name, number=2, content=_content(dice, version.name, 2))
            # Some before anybody can have seen the first version, some long after.
            waiting.insert(min(dice.choice([0, 1, 5, 40, 1000]), len(waiting)), again)
    return versions


def exit_code(name: str) -> int:
    """Return with which code the command ends for this file."""
    return 7 if "-exit7" in name else 0


def stdout(name: str, content: bytes) -> bytes:
    """Return what the command prints for this content."""
    return content + (b"\xff\xfe\x00\x80" if "-bytes" in name else b"")


def stderr(name: str) -> bytes:
    return name.encode()


def _names(dice: Random, count: int) -> list[str]:
    names: list[str] = []
    patterns = [*_NAMES, *_CASES]
    while len(names) < count:
        number = f"{len(names):04}{dice.choice(_BEHAVIOURS)}"
        pattern = patterns[len(names) % len(patterns)] if len(names) < 2 * len(patterns) else dice.choice(patterns)
        alike = _CASES if pattern in _CASES else (pattern,)
        names += [one.format(number) for one in alike]
    return names[:count]


def _content(dice: Random, name: str, number: int) -> bytes:
    head = f"version {number} of {name}\n".encode()
    match dice.choices(["text", "empty", "binary", "large"], [60, 10, 27, 3])[0]:
        case "text":
            return head * dice.randint(1, 50)
        case "empty":
            return b""
        case "binary":
            return head + dice.randbytes(dice.randint(1, 5000))
        case _:
            return head + dice.randbytes(dice.randint(*_LARGE))
