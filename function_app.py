"""The functions of this app: each parses what triggered it, calls one function of batch_core, translates the result."""

import logging
import os
from collections.abc import Awaitable

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

from batch_core import poison
from batch_core.app import process_app
from batch_core.cancel import cancel
from batch_core.coalescing import Arrivals
from batch_core.collect import collect
from batch_core.config.names import DATA_STORAGE
from batch_core.config.settings import BindingExpressions
from batch_core.errors import AppError, BlobNotFound, NotAFile, NotNow, SettingsError, Unavailable
from batch_core.http import health, replies
from batch_core.http.replies import Reply, SubmitRequest
from batch_core.live import live_task
from batch_core.log_text import figures, quieten_sdks
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.state.record import DetectedBy, TaskState
from batch_core.submit import submit, submit_again
from batch_core.sweep import sweep
from batch_core.tidy import tidy

logger = logging.getLogger("batch_core")
quieten_sdks()
bindings = BindingExpressions.from_env(os.environ)
arrivals = Arrivals(lambda versions: submit(process_app(), versions, detected_by=DetectedBy.TRIGGER))
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name("submit_blob")
@app.blob_trigger("blob", bindings.input_path, DATA_STORAGE, source=func.BlobSource(bindings.blob_source))
async def submit_blob(blob: BlobClient) -> None:
    """Take a file that was dropped into the input container: done only when Batch has its task."""
    core = process_app()
    if blob.container_name != core.settings.input_container:
        # Event Grid's webhook filters nothing: a subscription without a filter tells of outputs, too.
        logger.warning("An event is about container %r, which is not the input container.", blob.container_name)
        return
    try:
        version = await core.inputs.version_of(blob.blob_name)
    except (BlobNotFound, NotAFile) as exc:
        logger.info("There is no file to take: %s", exc)
        return
    except NotNow as exc:
        logger.info("The sweep takes it later: %s", exc)
        return
    if not core.settings.intake.takes(version):
        logger.info("The settings say to leave blob %r alone.", version.name)
        return
    submission = await arrivals.submit(version)
    if submission.record.state is TaskState.QUEUED and submission.record.obstacle is None:
        # The host delivers the event again. What waits to be rehydrated waits for no event.
        raise Unavailable(f"submitting blob {version.name!r}", detail=submission.record.reason or "")


@app.function_name("collect_outputs")
@app.timer_trigger("timer", bindings.collect_schedule)
async def collect_outputs(timer: func.TimerRequest) -> None:
    """Copy the output of completed tasks and close their records."""
    report = await collect(process_app())
    _tell("Collected", report, timer)


@app.function_name("sweep_files")
@app.timer_trigger("timer", bindings.sweep_schedule)
async def sweep_files(timer: func.TimerRequest) -> None:
    """Submit files whose event never came."""
    report = await sweep(process_app())
    _tell("Swept", report, timer)


@app.function_name("reconcile_tasks")
@app.timer_trigger("timer", bindings.sweep_schedule)
async def reconcile_tasks(timer: func.TimerRequest) -> None:
    """Finish what stopped in between."""
    report = await reconcile(process_app())
    _tell("Reconciled", report, timer)


@app.function_name("tidy_jobs")
@app.timer_trigger("timer", bindings.tidy_schedule)
async def tidy_jobs(timer: func.TimerRequest) -> None:
    """Close jobs of past days in which nothing is open, and delete them some time later."""
    report = await tidy(process_app())
    _tell("Tidied", report, timer)


@app.function_name("take_poison_message")
@app.queue_trigger("message", poison.QUEUE, DATA_STORAGE)
async def take_poison_message(message: func.QueueMessage) -> None:
    """Take an event that the host gave up."""
    await poison.take_or_leave(process_app, message.get_body())


@app.function_name("post_task")
@app.route("tasks", methods=["POST"])
async def post_task(req: func.HttpRequest) -> func.HttpResponse:
    """Submit a file of the input container by hand."""
    return await _answer(_post_task(req))


@app.function_name("get_task")
@app.route("tasks/{task_id}", methods=["GET"])
async def get_task(req: func.HttpRequest) -> func.HttpResponse:
    """Tell where a task is, and why."""
    return await _answer(_get_task(req))


@app.function_name("cancel_task")
@app.route("tasks/{task_id}/cancel", methods=["POST"])
async def cancel_task(req: func.HttpRequest) -> func.HttpResponse:
    """Stop a task."""
    return await _answer(_cancel_task(req))


@app.function_name("retry_task")
@app.route("tasks/{task_id}/retry", methods=["POST"])
async def retry_task(req: func.HttpRequest) -> func.HttpResponse:
    """Make a new attempt at a task that ended."""
    return await _answer(_retry_task(req))


@app.function_name("get_health")
@app.route("health", methods=["GET"])
async def get_health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the binding's parameter
    """Tell what works and what does not."""
    return await _answer(_get_health())


def _tell(done: str, report: object, timer: func.TimerRequest) -> None:
    logger.info("%s: %s", done, figures(vars(report) | {"is_past_due": timer.past_due}))


async def _post_task(req: func.HttpRequest) -> Reply:
    core = process_app()
    request = SubmitRequest.parse(req.get_body())
    version = await core.inputs.version_of(request.blob)
    if request.force:
        submission = await submit_again(core, version, detected_by=DetectedBy.HTTP)
    else:
        (submission,) = await submit(core, [version], detected_by=DetectedBy.HTTP, is_urgent=True)
    return replies.submission_reply(submission, req.url)


async def _cancel_task(req: func.HttpRequest) -> Reply:
    record = await cancel(process_app(), req.route_params["task_id"])
    return replies.record_reply(record, status=200 if record.state.is_final else 202)


async def _retry_task(req: func.HttpRequest) -> Reply:
    task_id = req.route_params["task_id"]
    submission = await retry(process_app(), task_id)
    return replies.submission_reply(submission, req.url.removesuffix(f"/{task_id}/retry"))


async def _get_task(req: func.HttpRequest) -> Reply:
    core = process_app()
    record = (await core.table.get(req.route_params["task_id"])).record
    return replies.record_reply(record, live=await live_task(core, record))


async def _get_health() -> Reply:
    try:
        return replies.health_reply(await health.check_health(process_app()))
    except SettingsError as exc:
        return replies.health_reply([health.settings_check(exc.problems)])


async def _answer(work: Awaitable[Reply]) -> func.HttpResponse:
    try:
        reply = await work
    except AppError as exc:
        reply = replies.error_reply(exc)
    return func.HttpResponse(reply.body, status_code=reply.status, mimetype="application/json")
