"""Pauses by HTTP: which is meant, and what is paused."""

from dataclasses import dataclass
from typing import Final

from batch_core.errors import InvalidRequest
from batch_core.http.bodies import document_of, unknown_words
from batch_core.http.replies import Reply
from batch_core.naming import is_blob_name
from batch_core.state.pauses import Pause, Paused

_EXAMPLE: Final = '{"route": "NAME"}, or nothing for the intake as a whole'
#: Of a route's name, in characters.
_LONGEST: Final = 100


@dataclass(frozen=True, kw_only=True)
class PauseRequest:
    """What `POST /api/pause` and `POST /api/resume` ask for: a route, or the intake as a whole."""

    route: str | None

    @classmethod
    def parse(cls, body: bytes) -> "PauseRequest":
        """Read the JSON body, which may be empty; raises `InvalidRequest`."""
        document = document_of(body or b"{}", _EXAMPLE)
        if problems := unknown_words(document, ["route"]):
            raise InvalidRequest(problems)
        route = document.get("route")
        if route is not None and (not isinstance(route, str) or not is_blob_name(route) or len(route) > _LONGEST):
            raise InvalidRequest(["'route' must be the name of a route"])
        return cls(route=route)


def paused_document(paused: Paused) -> dict[str, object]:
    """Return what is paused: the intake, or null, and routes by their names."""
    return {
        "intake": _shown(paused.intake) if paused.intake else None,
        "routes": {name: _shown(pause) for name, pause in sorted(paused.routes.items())},
    }


def paused_reply(paused: Paused) -> Reply:
    return Reply(status=200, document=paused_document(paused))


def _shown(pause: Pause) -> dict[str, object]:
    return {"since": pause.since, "asked_by": pause.asked_by}
