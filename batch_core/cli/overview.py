"""What `batchdrop --help` prints: the commands by what they are for, and how one begins."""

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

_GROUPS: Final = {
    "Look": ("list", "show", "logs", "get", "pools", "summary", "watch", "pauses"),
    "Act": ("drop", "submit", "cancel", "retry", "pause", "resume"),
    "Maintain": ("doctor", "setup", "teardown", "tidy", "sweep", "routes", "completion"),
}
_EXAMPLES: Final = {
    "drop --wait recipe.txt": "drop a file, wait for its task, print what it printed",
    "list --state failed": "what failed, of the newest files first",
    "logs -f recipe.txt": "follow what a file's newest task prints",
    "doctor": "what is wrong, and what to do",
}


def show(name: str, commands: Mapping[str, Callable[..., int]]) -> int:
    """Print what there is, by what it is for."""
    print(f"usage: {name} COMMAND [OPTIONS]\n\nDrop files, and follow what Azure Batch makes of them.")
    for group, members in _GROUPS.items():
        print(f"\n{group}:")
        for command in (one for one in members if one in commands):
            print(f"    {command:<11} {_first_line(commands[command])}")
    print("\nExamples:")
    for example, purpose in _EXAMPLES.items():
        print(f"    {f'{name} {example}':<40} {purpose}")
    print(
        f"\n{name} help COMMAND explains a command and its options, as does COMMAND --help;\n"
        f"{name} --version says which version this is. Every command reads the settings of the app:\n"
        "local.settings.json of this folder, else --settings FILE; what is set in the environment wins. --json prints\n"
        "documents for programs. Exit codes: 0 done, 1 a task failed or something is wrong, 2 usage or settings."
    )
    return 0


def show_version(name: str) -> int:
    """Print which version this is."""
    try:
        number = version("batchdrop")
    except PackageNotFoundError:
        number = "of a checkout that is not installed"
    print(f"{name} {number}")
    return 0


def _first_line(function: Callable[..., int]) -> str:
    return (function.__doc__ or "").partition("\n")[0].rstrip(".")
