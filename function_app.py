"""The functions of this app: each parses what triggered it, calls one function of batch_core, translates the result."""

import logging
import os
import time
from collections.abc import Awaitable, Callable

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

from batch_core import intake, poison
from batch_core.app import App, process_app
from batch_core.bookkeeping import after_tick
from batch_core.cancel import cancel
from batch_core.collect import collect
from batch_core.config.bindings import BindingExpressions
from batch_core.config.names import DATA_STORAGE
from batch_core.http import health, output_replies, replies
from batch_core.http.dashboard import dashboard_reply
from batch_core.http.functions import responding
from batch_core.http.output_requests import OutputRequest, continuation_of
from batch_core.http.replies import Content, Reply
from batch_core.http.requests import SubmitRequest
from batch_core.http.summaries import summary_reply
from batch_core.http.task_lists import ListRequest, task_page_reply
from batch_core.listing import attempts_at, list_tasks
from batch_core.live import look_up
from batch_core.log_text import figures, quieten_sdks
from batch_core.output_reading import Stream, list_files, read_file, read_printed
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.scale import scale
from batch_core.summary import summarize
from batch_core.sweep import sweep
from batch_core.tidy import tidy

logger = logging.getLogger("batch_core")
quieten_sdks()
bindings = BindingExpressions.from_env(os.environ)
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name("submit_blob")
@app.blob_trigger("blob", bindings.input_path, DATA_STORAGE, source=func.BlobSource(bindings.blob_source))
async def submit_blob(blob: BlobClient) -> None:
    """Take a file that was dropped into the input container: done only when Batch has its task."""
    await intake.take(process_app(), blob.container_name, blob.blob_name)


@app.function_name("collect_outputs")
@app.timer_trigger("timer", bindings.collect_schedule)
async def collect_outputs(timer: func.TimerRequest) -> None:
    """Copy the output of completed tasks and close their records."""
    await _tick("collect_outputs", "Collected", collect, timer)


@app.function_name("sweep_files")
@app.timer_trigger("timer", bindings.sweep_schedule)
async def sweep_files(timer: func.TimerRequest) -> None:
    """Submit files whose event never came."""
    await _tick("sweep_files", "Swept", sweep, timer)


@app.function_name("reconcile_tasks")
@app.timer_trigger("timer", bindings.sweep_schedule)
async def reconcile_tasks(timer: func.TimerRequest) -> None:
    """Finish interrupted work."""
    await _tick("reconcile_tasks", "Reconciled", reconcile, timer)


@app.function_name("scale_pools")
@app.timer_trigger("timer", bindings.scale_schedule)
async def scale_pools(timer: func.TimerRequest) -> None:
    """Bring pools nearer to what their tasks need."""
    await _tick("scale_pools", "Scaled", scale, timer)


@app.function_name("tidy_jobs")
@app.timer_trigger("timer", bindings.tidy_schedule)
async def tidy_jobs(timer: func.TimerRequest) -> None:
    """Terminate jobs of past days in which nothing is open, and delete them some time later."""
    await _tick("tidy_jobs", "Tidied", tidy, timer)


@app.function_name("take_poison_message")
@app.queue_trigger("message", poison.QUEUE, DATA_STORAGE)
async def take_poison_message(message: func.QueueMessage) -> None:
    """Take an event that the host gave up."""
    await poison.take_or_leave(process_app, message.get_body())


@app.function_name("post_task")
@app.route("tasks", methods=["POST"])
@responding
async def post_task(req: func.HttpRequest) -> Reply:
    """Submit a file of the input container by hand."""
    core, request = process_app(), SubmitRequest.parse(req.get_body())
    return replies.submission_reply(
        await intake.take_by_hand(core, request.blob, is_forced=request.force, route=request.route), req.url
    )


@app.function_name("list_tasks")
@app.route("tasks", methods=["GET"])
@responding
async def get_tasks(req: func.HttpRequest) -> Reply:
    """List tasks, or all attempts at one file."""
    core, request = process_app(), ListRequest.parse(req.params)
    found = await (attempts_at(core, request.blob) if request.blob else list_tasks(core, request.query, request.place))
    return task_page_reply(found)


@app.function_name("get_task")
@app.route("tasks/{task_id}", methods=["GET"])
@responding
async def get_task(req: func.HttpRequest) -> Reply:
    """Report where a task is, and why."""
    record, live = await look_up(process_app(), req.route_params["task_id"])
    return replies.record_reply(record, live=live)


@app.function_name("cancel_task")
@app.route("tasks/{task_id}/cancel", methods=["POST"])
@responding
async def cancel_task(req: func.HttpRequest) -> Reply:
    """Stop a task."""
    return replies.cancellation_reply(await cancel(process_app(), req.route_params["task_id"]))


@app.function_name("retry_task")
@app.route("tasks/{task_id}/retry", methods=["POST"])
@responding
async def retry_task(req: func.HttpRequest) -> Reply:
    """Make a new attempt at a task that ended."""
    return replies.retry_reply(await retry(process_app(), req.route_params["task_id"]), req.url)


@app.function_name("get_summary")
@app.route("summary", methods=["GET"])
@responding
async def get_summary(req: func.HttpRequest) -> Reply:  # noqa: ARG001 - the binding's parameter
    """Report what is going on, at a glance."""
    return summary_reply(await summarize(process_app()))


@app.function_name("get_stdout")
@app.route("tasks/{task_id}/stdout", methods=["GET"])
@responding
async def get_stdout(req: func.HttpRequest) -> Reply | Content:
    """Give what a task's command prints to standard output, while it runs and afterwards."""
    asked = OutputRequest.parse(req.headers, req.params)
    output = await read_printed(process_app(), req.route_params["task_id"], Stream.STDOUT, asked.extent)
    return output_replies.printed_reply(output, asked)


@app.function_name("get_stderr")
@app.route("tasks/{task_id}/stderr", methods=["GET"])
@responding
async def get_stderr(req: func.HttpRequest) -> Reply | Content:
    """Give what a task's command prints to standard error, while it runs and afterwards."""
    asked = OutputRequest.parse(req.headers, req.params)
    output = await read_printed(process_app(), req.route_params["task_id"], Stream.STDERR, asked.extent)
    return output_replies.printed_reply(output, asked)


@app.function_name("get_files")
@app.route("tasks/{task_id}/files", methods=["GET"])
@responding
async def get_files(req: func.HttpRequest) -> Reply:
    """List the files that a task's command makes."""
    continuation = continuation_of(req.params)
    return output_replies.files_reply(await list_files(process_app(), req.route_params["task_id"], continuation))


@app.function_name("get_file")
@app.route("tasks/{task_id}/files/{*name}", methods=["GET"])
@responding
async def get_file(req: func.HttpRequest) -> Reply | Content:
    """Give a file that a task's command makes."""
    asked, name = OutputRequest.parse(req.headers, req.params), req.route_params.get("name", "")
    output = await read_file(process_app(), req.route_params["task_id"], name, asked.extent)
    return output_replies.file_reply(output, asked, name)


@app.function_name("get_openapi")
@app.route("openapi.json", methods=["GET"])
@responding
async def get_openapi(req: func.HttpRequest) -> Reply:  # noqa: ARG001 - the binding's parameter
    """Describe the HTTP API."""
    # Imported when it is asked for: the app starts faster without.
    from batch_core.http.openapi import openapi_reply  # noqa: PLC0415

    return openapi_reply()


@app.function_name("get_health")
@app.route("health", methods=["GET"])
@responding
async def get_health(req: func.HttpRequest) -> Reply:  # noqa: ARG001 - the binding's parameter
    """Report what works and what does not."""
    return replies.health_reply(await health.check_health_of(process_app))


@app.function_name("get_dashboard")
@app.route("dashboard/{*file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@responding
async def get_dashboard(req: func.HttpRequest) -> Reply | Content:
    """Give the dashboard, or a file of it: they hold no data."""
    return dashboard_reply(req.route_params.get("file") or "", req.url)


async def _tick(function: str, done: str, tick: Callable[[App], Awaitable[object]], timer: func.TimerRequest) -> None:
    """Run a tick, log what it did, and keep the statistics."""
    core, began = process_app(), time.monotonic()
    report = vars(await tick(core))
    logger.info("%s: %s", done, figures(report | {"is_past_due": timer.past_due}))
    await after_tick(core, function, report, time.monotonic() - began)
