"""Numbers of things, in words."""


def counted(number: int, noun: str) -> str:
    """Return such as `1 file` or `2 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
