"""Pauses by HTTP: which is meant, and what is paused."""

import json
from dataclasses import dataclass

from batch_core.errors import InvalidRequest
from batch_core.http.replies import Reply
from batch_core.state.pauses import Pause, Paused


@dataclass(frozen=True, kw_only=True)
class PauseRequest:
    """What `POST /api/pause` and `POST /api/resume` ask for: a route, or the intake as a whole."""

    route: str | None

    @classmethod
    def parse(cls, body: bytes) -> "PauseRequest":
        """Read the JSON body, which may be empty; raises `InvalidRequest`."""
        try:
            document = json.loads(body or b"{}")
        except (ValueError, RecursionError) as exc:
            raise InvalidRequest(['the body is not JSON: send {"route": "NAME"}, or nothing for the intake']) from exc
        if not isinstance(document, dict) or document.keys() - {"route"}:
            raise InvalidRequest(['the body must be {"route": "NAME"}, or nothing for the intake as a whole'])
        route = document.get("route")
        if route is not None and (not isinstance(route, str) or not 1 <= len(route) <= 100):
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
