"""One function of every kind; each reports what it saw by appending a JSON line to $JOURNAL."""

import asyncio
import json
import logging
import os
import time
from pathlib import Path

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def note(kind, **seen):
    with Path(os.environ["JOURNAL"]).open("a") as journal:
        journal.write(json.dumps({"kind": kind, **seen}) + "\n")


@app.route("echo/{name}/{size:int?}", methods=["GET", "POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {"route": dict(req.route_params), "query": dict(req.params), "method": req.method}
    headers = {"x-seen": json.dumps(seen), "x-sent": req.headers.get("x-sent", "")}
    return func.HttpResponse(req.get_body(), headers=headers, mimetype="application/octet-stream", status_code=201)


@app.route("plain", methods=["GET"])
def plain(req: func.HttpRequest) -> str:
    time.sleep(0.01)
    return "plain text"


@app.route("cookies", methods=["GET"])
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("sweet")
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", "b=2; Max-Age=60; SameSite=Lax")
    return response


@app.route("broken", methods=["GET"])
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise LookupError("the route is broken")


@app.route("slow", methods=["GET"])
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    note("slow begins")
    await asyncio.sleep(1)
    note("slow ends")
    return func.HttpResponse("done")


@app.timer_trigger(arg_name="timer", schedule="%TICK%")
async def tick(timer: func.TimerRequest) -> None:
    note("tick begins", at=time.time())
    await asyncio.sleep(1.2)
    note("tick ends", at=time.time())


@app.timer_trigger(arg_name="timer", schedule="0 0 4 1 1 *")
async def yearly(timer: func.TimerRequest) -> None:
    note("yearly", past_due=timer.past_due, status=timer.schedule_status)


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *", run_on_startup=True)
def daily(timer: func.TimerRequest) -> None:
    note("daily", status=timer.schedule_status)


@app.blob_trigger(arg_name="blob", path="inbox/{name}", connection="AzureWebJobsStorage")
async def client(blob: BlobClient) -> None:
    logging.getLogger("app").info("Saw a blob", extra={"blob": blob.blob_name, "size": 3})
    note("client", blob=blob.blob_name, container=blob.container_name)


@app.blob_trigger(arg_name="blob", path="raw/in/{name}.bin", connection="AzureWebJobsStorage", data_type="binary")
def content(blob: func.InputStream) -> None:
    note("content", blob=blob.name, hex=blob.read().hex())


@app.blob_trigger(arg_name="blob", path="faulty/{name}", connection="AzureWebJobsStorage")
def faulty(blob: BlobClient) -> None:
    note("faulty", blob=blob.blob_name)
    raise ValueError(f"cannot take {blob.blob_name}")


@app.blob_trigger(arg_name="blob", path="events/{name}", connection="AzureWebJobsStorage", source="EventGrid")
def event(blob: BlobClient) -> None:
    note("event", blob=blob.blob_name)


@app.queue_trigger(arg_name="msg", queue_name="jobs", connection="AzureWebJobsStorage")
def job(msg: func.QueueMessage) -> None:
    text = msg.get_body().decode()
    note("job", text=text, tries=msg.dequeue_count, inserted=msg.insertion_time is not None)
    if text == "bad":
        raise RuntimeError("a bad job")


@app.queue_trigger(arg_name="msg", queue_name="webjobs-blobtrigger-poison", connection="AzureWebJobsStorage")
def poisoned(msg: func.QueueMessage) -> None:
    note("poisoned", **json.loads(msg.get_body()))
