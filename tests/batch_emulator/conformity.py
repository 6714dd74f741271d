"""Watches the emulators of a test session: every JSON reply is checked against the SDK's models."""

import json
from collections import Counter
from contextlib import contextmanager
from unittest import mock

from batch_emulator.call import JSON_TYPE
from batch_emulator.errors import BatchError
from batch_emulator.gateway import Gateway
from batch_emulator.routes import ROUTES
from batch_emulator.routing import Router
from batch_emulator.versions import ApiVersion
from tests.batch_emulator.sdk_models import problems_of_error, problems_of_reply


class Replies:
    """What was answered: how often each operation succeeded, and what did not conform."""

    def __init__(self):
        self.answered = Counter()
        self._problems = []
        self._router = Router(ROUTES)

    def note(self, request, response):
        if not _is_of_the_models(request):
            return
        try:
            operation, _ = self._router.find(request.method, request.raw_path.partition("?")[0])
        except BatchError:
            return
        if response.status < 300:
            self.answered[operation.name] += 1
        if response.headers.get("Content-Type") == JSON_TYPE:
            found = self._check(operation.name, request, response)
            self._problems += [f"{request.method} {request.path}: {problem}" for problem in found]

    def _check(self, name, request, response):
        body = json.loads(response.body)
        if response.status >= 300:
            return problems_of_error(body)
        selected = "select" in request.query_string
        return problems_of_reply(name, body, selected=selected)

    def take_problems(self):
        """Return what did not conform since the last call."""
        problems, self._problems = self._problems, []
        return problems


def _is_of_the_models(request):
    """Return whether a request asks for a version whose answers have the names that the models have."""
    return ApiVersion(name=request.query.get("api-version", "")).has_task_slots


@contextmanager
def watched_replies():
    """Note the replies of every emulator in this process."""
    replies = Replies()
    answer = Gateway.__call__

    async def watched(gateway, request):
        response = await answer(gateway, request)
        replies.note(request, response)
        return response

    with mock.patch.object(Gateway, "__call__", watched):
        yield replies
