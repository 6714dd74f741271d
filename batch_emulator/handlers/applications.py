"""Operations on the applications of the account."""

from aiohttp import web

from batch_emulator.applications import Application
from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.odata.query import read_max_results, read_skip_token
from batch_emulator.values.documents import Document


async def list_applications(call: Call) -> web.StreamResponse:
    after, limit = read_skip_token(call.query), read_max_results(call.query)
    found = [each for each in call.service.applications if after is None or each.id.lower() > after.lower()]
    items = [_wire(each) for each in found[:limit]]
    return call.page("listapplicationsummariesresponses", items, found[limit - 1].id if len(found) > limit else None)


async def get_application(call: Call) -> web.StreamResponse:
    application = call.service.applications.get(call.parameters[0])
    if application is None:
        raise BatchError(ErrorCode.APPLICATION_NOT_FOUND)
    metadata = f"{call.endpoint}/$metadata#getapplicationsummaryresponse/@Element"
    return call.json({"odata.metadata": metadata, **_wire(application)})


def _wire(application: Application) -> Document:
    """Return an application; one without a display name shows none (recording `GetandListApplication`)."""
    return {"id": application.id, "versions": list(application.versions)}
