"""JSON bodies of requests: an object, of a bounded size."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from batch_core.errors import InvalidRequest
from batch_core.problems import instead

#: Of a body, in bytes: room for the longest names there are, many times over.
MOST: Final = 64 * 1024
#: Words that are not known and are named one by one, and how much of one is repeated.
_MOST_NAMED: Final = 10
_LONGEST: Final = 100


def document_of(body: bytes, example: str) -> Mapping[str, object]:
    """Read an object; raises `InvalidRequest`, which shows an example of what would be right."""
    if len(body) > MOST:
        raise InvalidRequest([f"the body has {len(body):,} bytes: at most {MOST:,} are read; send {example}"])
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise InvalidRequest([f"the body is not JSON ({exc}): send {example}"]) from exc
    if not isinstance(document, dict):
        raise InvalidRequest([f"the body is {kind_of(document)}: send an object such as {example}"])
    return document


def unknown_words(document: Mapping[str, object], known: Iterable[str]) -> list[str]:
    """Return a problem for each word that is none of these, up to ten of them."""
    known = list(known)
    unknown = sorted(document.keys() - set(known))
    problems = [
        f"{word[:_LONGEST]!r} is not known: {instead(word[:_LONGEST], known)}" for word in unknown[:_MOST_NAMED]
    ]
    left = len(unknown) - _MOST_NAMED
    return [*problems, *([f"and {left:,} more words are not known"] if left > 0 else [])]


def kind_of(value: object) -> str:
    """Return what a JSON value is, as people say it."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
