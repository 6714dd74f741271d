"""What every HTTP function has in common: its reply becomes a response, and so does each error of the app."""

from collections.abc import Awaitable, Callable

import azure.functions as func

from batch_core.errors import AppError
from batch_core.http.replies import Reply, error_reply

type Replying = Callable[[func.HttpRequest], Awaitable[Reply]]
type Responding = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def responding(function: Replying) -> Responding:
    """Decorate a function that returns a `Reply`, or raises an `AppError`, into one that the host can call."""

    async def respond(req: func.HttpRequest) -> func.HttpResponse:
        try:
            reply = await function(req)
        except AppError as exc:
            reply = error_reply(exc)
        return func.HttpResponse(reply.body, status_code=reply.status, mimetype="application/json")

    # Not `functools.wraps`: the worker reads the annotations, and must see these.
    respond.__name__, respond.__doc__ = function.__name__, function.__doc__
    return respond
