"""One request as a handler sees it, and the answers a handler can give."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aiohttp import web

from batch_emulator.bounds import read_in_time
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.model.schema import read_body
from batch_emulator.odata.query import next_link
from batch_emulator.service import BatchService
from batch_emulator.values.documents import Document, joined, stored, to_json
from batch_emulator.values.timestamps import etag_of, http_date
from batch_emulator.versions import NEWEST, ApiVersion

JSON_TYPE: Final = "application/json; odata=minimalmetadata"

#: A deletion does not name what it deleted.
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(kw_only=True, slots=True)
class Call:
    """A request that is authenticated and routed.

    `parameters` are the decoded variable parts of the path, `query` its decoded query, and
    `endpoint` the scheme and host by which the client reached the emulator: links begin with it.
    """

    request: web.BaseRequest
    service: BatchService
    parameters: tuple[str, ...]
    query: Mapping[str, str]
    endpoint: str
    path: str
    common_headers: Mapping[str, str]
    version: ApiVersion = NEWEST
    #: Asked for each task of a collection: the error that a fault rule wants for it.
    item_fault: Callable[[], BatchError | None] | None = None

    async def body(self) -> Document:
        """Return the JSON object sent. Raises InvalidRequestBody or RequestBodyTooLarge."""
        try:
            return self.version.read(read_body(await read_in_time(self.request)))
        except web.HTTPRequestEntityTooLarge as exc:
            raise BatchError(ErrorCode.REQUEST_BODY_TOO_LARGE, MaxLimit="1048576") from exc

    def empty(self, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
        """Answer without a body; what changed something names itself, as in recordings of the real service."""
        identity = self.identity if self.request.method in _CHANGING else {}
        return self.nameless(status, {**identity, **(headers or {})})

    def nameless(self, status: int, headers: Mapping[str, str]) -> web.Response:
        """Answer without a body, and without a word on what was changed."""
        return web.Response(status=status, headers={**self.common_headers, **headers})

    @property
    def identity(self) -> dict[str, str]:
        """The header that names what was asked for."""
        return {"DataServiceId": f"{self.endpoint}{self.path}"}

    def created(self, path: str, modified: str) -> web.Response:
        """Answer 201 with the address of what was created."""
        address = f"{self.endpoint}{path}"
        headers = {"Location": address, "DataServiceId": address, **version_headers(modified)}
        return self.empty(201, headers)

    def changed(self, status: int, modified: str) -> web.Response:
        """Answer a change that returns nothing, with the new version."""
        return self.empty(status, version_headers(modified))

    def json(self, document: Mapping[str, object], headers: Mapping[str, str] | None = None) -> web.Response:
        return self._encoded(to_json(document), headers)

    def _encoded(self, body: str, headers: Mapping[str, str] | None = None) -> web.Response:
        if not self.version.has_task_slots:
            body = to_json(self.version.show(stored(body)))
        headers = {**self.common_headers, "Content-Type": JSON_TYPE, **(headers or {})}
        return web.Response(body=body.encode(), headers=headers)

    def entity(self, kind: str, resource: Document, modified: str | None) -> web.Response:
        """Answer one resource, with its version in the headers where it has one: nodes have none."""
        return self.entity_in_json(kind, to_json(resource), modified)

    def entity_in_json(self, kind: str, resource: str, modified: str | None) -> web.Response:
        """Answer one resource that is JSON already."""
        headers = version_headers(modified) if modified else None
        return self._encoded(joined(_about_one(self.endpoint, kind), resource), headers)

    def page(self, kind: str, items: list[Document], last: str | None) -> web.Response:
        """Answer a page of a list; `last` is the key of its last item if more follow."""
        return self.page_in_json(kind, map(to_json, items), last)

    def page_in_json(self, kind: str, items: Iterable[str], last: str | None) -> web.Response:
        """Answer a page of resources that are JSON already."""
        about = {"odata.metadata": f"{self.endpoint}/$metadata#{kind}"}
        if last is not None:
            about["odata.nextLink"] = next_link(f"{self.endpoint}{self.path}", self.query, last)
        return self._encoded(joined(to_json(about), f'{{"value":[{",".join(items)}]}}'))


@lru_cache(maxsize=256)
def _about_one(endpoint: str, kind: str) -> str:
    return to_json({"odata.metadata": f"{endpoint}/$metadata#{kind}/@Element"})


def version_headers(modified: str) -> dict[str, str]:
    """Return the ETag (without quotes, as the service sends it) and Last-Modified headers."""
    return {"ETag": etag_of(modified), "Last-Modified": http_date(modified)}
