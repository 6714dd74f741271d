"""What people look at, and ask for of many tasks, by HTTP: each function takes a request and replies.

Imported with the first such request: what is triggered otherwise starts faster without. Each function raises what the
one that it calls does, and `InvalidRequest`.
"""

from collections.abc import Callable

import azure.functions as func

from batch_core.app import App
from batch_core.http import output_replies, replies
from batch_core.http.callers import asked_by
from batch_core.http.dashboard import dashboard_reply
from batch_core.http.health import check_health_of, health_reply
from batch_core.http.openapi import openapi_reply
from batch_core.http.output_requests import OutputRequest, continuation_of
from batch_core.http.pauses import PauseRequest, paused_reply
from batch_core.http.replies import Content, Reply
from batch_core.http.selections import SelectionRequest, count_reply, one_reply, selection_reply, selections_reply
from batch_core.http.summaries import summary_reply
from batch_core.http.task_lists import ListRequest, task_page_reply
from batch_core.listing import attempts_at, list_tasks
from batch_core.live import look_up
from batch_core.output_reading import Stream, list_files, read_file, read_printed
from batch_core.pausing import pause, resume
from batch_core.selections import ask, count
from batch_core.summary import summarize

#: Makes the app of this process; raises `SettingsError`.
type ProcessApp = Callable[[], App]


async def tasks(process_app: ProcessApp, req: func.HttpRequest) -> Reply:
    app, request = process_app(), ListRequest.parse(req.params)
    found = await (attempts_at(app, request.blob) if request.blob else list_tasks(app, request.query, request.place))
    return task_page_reply(found)


async def task(process_app: ProcessApp, req: func.HttpRequest) -> Reply:
    record, live = await look_up(process_app(), req.route_params["task_id"])
    return replies.record_reply(record, live=live)


async def stdout(process_app: ProcessApp, req: func.HttpRequest) -> Reply | Content:
    return await _printed(process_app(), req, Stream.STDOUT)


async def stderr(process_app: ProcessApp, req: func.HttpRequest) -> Reply | Content:
    return await _printed(process_app(), req, Stream.STDERR)


async def _printed(app: App, req: func.HttpRequest, stream: Stream) -> Reply | Content:
    asked = OutputRequest.parse(req.headers, req.params)
    return output_replies.printed_reply(
        await read_printed(app, req.route_params["task_id"], stream, asked.extent), asked
    )


async def files(process_app: ProcessApp, req: func.HttpRequest) -> Reply:
    found = await list_files(process_app(), req.route_params["task_id"], continuation_of(req.params))
    return output_replies.files_reply(found)


async def file(process_app: ProcessApp, req: func.HttpRequest) -> Reply | Content:
    asked, name = OutputRequest.parse(req.headers, req.params), req.route_params.get("name", "")
    output = await read_file(process_app(), req.route_params["task_id"], name, asked.extent)
    return output_replies.file_reply(output, asked, name)


async def select(process_app: ProcessApp, req: func.HttpRequest) -> Reply:
    """Count the tasks that are meant, or begin with what is asked for."""
    app, request = process_app(), SelectionRequest.parse(req.get_body())
    if request.is_dry_run:
        number, is_all = await count(app, request.wanted)
        return count_reply(number, is_all=is_all)
    return selection_reply(await ask(app, request.wanted, asked_by(req.headers)))


async def selections(process_app: ProcessApp, _: func.HttpRequest) -> Reply:
    found = process_app().selections
    under_way, newest = await found.under_way(), await found.newest()
    # One that is under way is shown, however many came after it.
    known = {one.selection_id for one in newest}
    return selections_reply([*newest, *(one for one in under_way if one.selection_id not in known)])


async def selection(process_app: ProcessApp, req: func.HttpRequest) -> Reply:
    return one_reply(await process_app().selections.get(req.route_params["selection_id"]))


async def paused(process_app: ProcessApp, _: func.HttpRequest) -> Reply:
    return paused_reply(await process_app().pauses.read())


async def begin_pause(process_app: ProcessApp, req: func.HttpRequest) -> Reply:
    request = PauseRequest.parse(req.get_body())
    return paused_reply(await pause(process_app(), request.route, asked_by(req.headers)))


async def end_pause(process_app: ProcessApp, req: func.HttpRequest) -> Reply:
    request = PauseRequest.parse(req.get_body())
    return paused_reply(await resume(process_app(), request.route))


async def summary(process_app: ProcessApp, _: func.HttpRequest) -> Reply:
    return summary_reply(await summarize(process_app()))


async def health(process_app: ProcessApp, _: func.HttpRequest) -> Reply:
    return health_reply(await check_health_of(process_app))


async def api_document(_app: ProcessApp, _: func.HttpRequest) -> Reply:
    return openapi_reply()


async def dashboard(_app: ProcessApp, req: func.HttpRequest) -> Reply | Content:
    return dashboard_reply(req.route_params.get("file") or "", req.url)
