"""Values that come from outside become a dataclass only if each has the type of its field."""

from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints


def checked[T: Hashable](cls: Callable[..., T], values: Mapping[str, Any]) -> T:
    """Make the dataclass of these values; raises `TypeError` that names the first that is missing or of another type.

    Fields may be of plain classes, unions of them, and tuples, whose items are not looked at.
    """
    for name, kinds in _kinds(cls).items():
        if name in values and not isinstance(values[name], kinds):
            raise TypeError(
                f"{name} is {type(values[name]).__name__}, not {' or '.join(kind.__name__ for kind in kinds)}"
            )
    return cls(**values)


@cache
def _kinds(cls: Hashable) -> dict[str, tuple[type, ...]]:
    return {
        name: (tuple,) if get_origin(hint) is tuple else get_args(hint) or (hint,)
        for name, hint in get_type_hints(cls).items()
    }
