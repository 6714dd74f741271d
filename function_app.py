"""The functions of this app: each parses what triggered it, calls one function of batch_core, translates the result."""

import logging
import os
import time
from collections.abc import Awaitable, Callable
from importlib import import_module

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

from batch_core import intake, poison
from batch_core.app import App, process_app
from batch_core.bookkeeping import after_tick
from batch_core.cancel import cancel
from batch_core.collect import collect
from batch_core.config.bindings import BindingExpressions
from batch_core.config.names import DATA_STORAGE
from batch_core.http import replies
from batch_core.http.callers import asked_by
from batch_core.http.functions import responding
from batch_core.http.replies import Content, Reply
from batch_core.http.requests import SubmitRequest
from batch_core.log_text import figures, quieten_sdks
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.scale import scale
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
    """Terminate jobs of past days, delete them some time later, and forget what has ended long ago."""
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
        await intake.take_by_hand(
            core, request.blob, is_forced=request.force, route=request.route, asked_by=asked_by(req.headers)
        ),
        req.url,
    )


@app.function_name("list_tasks")
@app.route("tasks", methods=["GET"])
@responding
async def get_tasks(req: func.HttpRequest) -> Reply | Content:
    """List tasks, or all attempts at one file."""
    return await _answer("tasks", req)


@app.function_name("get_task")
@app.route("tasks/{task_id}", methods=["GET"])
@responding
async def get_task(req: func.HttpRequest) -> Reply | Content:
    """Report where a task is, and why."""
    return await _answer("task", req)


@app.function_name("cancel_task")
@app.route("tasks/{task_id}/cancel", methods=["POST"])
@responding
async def cancel_task(req: func.HttpRequest) -> Reply:
    """Stop a task."""
    record = await cancel(process_app(), req.route_params["task_id"], asked_by(req.headers))
    return replies.cancellation_reply(record)


@app.function_name("retry_task")
@app.route("tasks/{task_id}/retry", methods=["POST"])
@responding
async def retry_task(req: func.HttpRequest) -> Reply:
    """Make a new attempt at a task that ended."""
    submission = await retry(process_app(), req.route_params["task_id"], asked_by(req.headers))
    return replies.retry_reply(submission, req.url)


@app.function_name("post_selection")
@app.route("selections", methods=["POST"])
@responding
async def post_selection(req: func.HttpRequest) -> Reply | Content:
    """Count many tasks, or cancel or retry them."""
    return await _answer("select", req)


@app.function_name("list_selections")
@app.route("selections", methods=["GET"])
@responding
async def list_selections(req: func.HttpRequest) -> Reply | Content:
    """List what was asked for of many tasks at once."""
    return await _answer("selections", req)


@app.function_name("get_selection")
@app.route("selections/{selection_id}", methods=["GET"])
@responding
async def get_selection(req: func.HttpRequest) -> Reply | Content:
    """Report how far a selection has come."""
    return await _answer("selection", req)


@app.function_name("get_pauses")
@app.route("pauses", methods=["GET"])
@responding
async def get_pauses(req: func.HttpRequest) -> Reply | Content:
    """Report what is paused."""
    return await _answer("paused", req)


@app.function_name("pause")
@app.route("pause", methods=["POST"])
@responding
async def pause(req: func.HttpRequest) -> Reply | Content:
    """Hand no more files to Batch, or none of a route."""
    return await _answer("begin_pause", req)


@app.function_name("resume")
@app.route("resume", methods=["POST"])
@responding
async def resume(req: func.HttpRequest) -> Reply | Content:
    """Let the intake, or a route, go on."""
    return await _answer("end_pause", req)


@app.function_name("get_summary")
@app.route("summary", methods=["GET"])
@responding
async def get_summary(req: func.HttpRequest) -> Reply | Content:
    """Report what is going on, at a glance."""
    return await _answer("summary", req)


@app.function_name("get_stdout")
@app.route("tasks/{task_id}/stdout", methods=["GET"])
@responding
async def get_stdout(req: func.HttpRequest) -> Reply | Content:
    """Give what a task's command prints to standard output, while it runs and afterwards."""
    return await _answer("stdout", req)


@app.function_name("get_stderr")
@app.route("tasks/{task_id}/stderr", methods=["GET"])
@responding
async def get_stderr(req: func.HttpRequest) -> Reply | Content:
    """Give what a task's command prints to standard error, while it runs and afterwards."""
    return await _answer("stderr", req)


@app.function_name("get_files")
@app.route("tasks/{task_id}/files", methods=["GET"])
@responding
async def get_files(req: func.HttpRequest) -> Reply | Content:
    """List the files that a task's command makes."""
    return await _answer("files", req)


@app.function_name("get_file")
@app.route("tasks/{task_id}/files/{*name}", methods=["GET"])
@responding
async def get_file(req: func.HttpRequest) -> Reply | Content:
    """Give a file that a task's command makes."""
    return await _answer("file", req)


@app.function_name("get_openapi")
@app.route("openapi.json", methods=["GET"])
@responding
async def get_openapi(req: func.HttpRequest) -> Reply | Content:
    """Describe the HTTP API."""
    return await _answer("api_document", req)


@app.function_name("get_health")
@app.route("health", methods=["GET"])
@responding
async def get_health(req: func.HttpRequest) -> Reply | Content:
    """Report what works and what does not."""
    return await _answer("health", req)


@app.function_name("get_dashboard")
@app.route("dashboard/{*file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@responding
async def get_dashboard(req: func.HttpRequest) -> Reply | Content:
    """Give the dashboard, or a file of it: they hold no data."""
    return await _answer("dashboard", req)


async def _answer(what: str, req: func.HttpRequest) -> Reply | Content:
    """Answer by the function of this name, of a module that is imported when the first of them is asked for."""
    reply: Reply | Content = await getattr(import_module("batch_core.http.people"), what)(process_app, req)
    return reply


async def _tick(function: str, done: str, tick: Callable[[App], Awaitable[object]], timer: func.TimerRequest) -> None:
    """Run a tick, log what it did, and keep the statistics."""
    core, began = process_app(), time.monotonic()
    report = vars(await tick(core))
    logger.info("%s: %s", done, figures(report | {"is_past_due": timer.past_due}))
    await after_tick(core, function, report, time.monotonic() - began)
