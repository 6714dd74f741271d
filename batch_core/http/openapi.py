"""The OpenAPI document of the HTTP API: https://spec.openapis.org/oas/v3.1.1.html.

A test compares it with the functions, and another asks the app at random for what it promises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType, NoneType
from typing import Any, Final, get_args, get_type_hints

from batch_core.http.replies import Reply
from batch_core.http.task_lists import LEFT_OUT, MAX_LIMIT
from batch_core.live import Live
from batch_core.naming import MAX_BLOB_NAME_LENGTH
from batch_core.state.record import TaskRecord, TaskState
from batch_core.state.selections import Action

type Schema = dict[str, Any]

_TASK_ID: Final = {
    "name": "task_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "example": "20261130T085155-recipe-txt-43fb5076a0644383",
}
_SELECTION_ID: Final = {"name": "selection_id", "in": "path", "required": True, "schema": {"type": "string"}}
_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_FLAG: Final[Schema] = {"type": "boolean"}
_CHECK: Final[Schema] = {"type": "object", "properties": {"ok": _FLAG, "detail": _TEXT}, "required": ["ok", "detail"]}
_COUNTS: Final[Schema] = {"type": "object", "additionalProperties": _COUNT}
_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": MAX_BLOB_NAME_LENGTH}
#: A parameter that is empty counts for nothing.
_PART_OF_NAME: Final[Schema] = {"type": "string", "maxLength": MAX_BLOB_NAME_LENGTH}
_TOKEN: Final[Schema] = {"type": ["string", "null"], "description": "Opaque; null: the list is at its end."}


def openapi_reply() -> Reply:
    """Return the document."""
    return Reply(status=200, document=document())


def document() -> Schema:
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "batchdrop",
            "version": "1",
            "description": "Files that are dropped into a blob container run on Azure Batch: see, submit, stop them.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/api"}],
        "security": [{"keyInHeader": []}, {"keyInQuery": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "keyInHeader": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "keyInQuery": {"type": "apiKey", "in": "query", "name": "code"},
            },
            "schemas": _schemas(),
        },
    }


def _paths() -> Schema:
    task = {"parameters": [_TASK_ID]}
    return {
        "/tasks": {
            "get": _operation("list_tasks", "List tasks, the newest first", _LIST, {200: "TaskPage"}, (400,)),
            "post": _operation(
                "post_task", "Submit a file by hand", (), _SUBMITTED, (400, 404, 409), body="Submission"
            ),
        },
        "/tasks/{task_id}": task
        | {"get": _operation("get_task", "Where a task is, and why", (), {200: "Task"}, (404,))},
        "/tasks/{task_id}/cancel": task
        | {"post": _operation("cancel_task", "Stop a task", (), {200: "Task", 202: "Task"}, (404, 409))},
        "/tasks/{task_id}/retry": task
        | {"post": _operation("retry_task", "Make a new attempt", (), _SUBMITTED, (404, 409))},
        "/tasks/{task_id}/stdout": task | {"get": _output("get_stdout", "What the command prints", "text/plain")},
        "/tasks/{task_id}/stderr": task | {"get": _output("get_stderr", "What it prints as errors", "text/plain")},
        "/tasks/{task_id}/files": task
        | {"get": _operation("get_files", "List the files that a task made", _FILES, {200: "Files"}, (400, 404, 409))},
        "/tasks/{task_id}/files/{name}": {"parameters": [_TASK_ID, _FILE_NAME]}
        | {"get": _output("get_file", "A file that a task made", "application/octet-stream")},
        "/selections": {
            "get": _operation("list_selections", "What was asked for of many tasks", (), {200: "Selections"}, ()),
            "post": _operation(
                "post_selection", "Count, cancel or retry many tasks", (), _SELECTED, (400, 409), "Select"
            ),
        },
        "/selections/{selection_id}": {"parameters": [_SELECTION_ID]}
        | {"get": _operation("get_selection", "How far it has come", (), {200: "Selection"}, (404,))},
        "/pauses": {"get": _operation("get_pauses", "What is paused", (), {200: "Paused"}, ())},
        "/pause": {
            "post": _operation("pause", "Hand no more files to Batch", (), {200: "Paused"}, (400, 409), "Pause")
        },
        "/resume": {"post": _operation("resume", "Let files go on", (), {200: "Paused"}, (400,), "Pause")},
        "/summary": {"get": _operation("get_summary", "What is going on, at a glance", (), {200: "Summary"}, ())},
        "/health": {
            "get": _operation("get_health", "What works and what does not", (), {200: "Health", 503: "Health"}, ())
        },
        "/openapi.json": {"get": _operation("get_openapi", "This document", (), {200: "Any"}, ())},
    }


def _operation(
    name: str,
    summary: str,
    parameters: Sequence[Schema],
    replies: Mapping[int, str],
    errors: Sequence[int],
    body: str = "",
) -> Schema:
    responses = {str(status): _json(_WORDS[status], schema) for status, schema in replies.items()}
    responses |= {str(status): _json(_WORDS[status], "Error") for status in errors}
    responses.setdefault("503", _json(_WORDS[503], "Error"))
    operation: Schema = {"operationId": name, "summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = list(parameters)
    if 200 in replies and not body and name.startswith(("list", "get")):
        responses["304"] = {"description": _WORDS[304]}
    if body:
        # Without one, the intake as a whole is paused or resumed.
        content = {"application/json": {"schema": _ref(body)}}
        operation["requestBody"] = {"required": body != "Pause", "content": content}
    return operation


def _output(name: str, summary: str, media_type: str) -> Schema:
    operation = _operation(name, summary, _EXTENT, {}, (400, 404, 409, 416))
    content = {media_type: {"schema": {"type": "string", "contentMediaType": media_type}}}
    headers = {header: {"schema": _TEXT} for header in ("X-Output-Size", "X-Task-State")}
    for status in (200, 206):
        operation["responses"][str(status)] = {
            "description": _WORDS[status],
            "content": content,
            "headers": headers,
        }
    operation["responses"] |= {str(status): {"description": _WORDS[status]} for status in (204, 304)}
    return operation


def _json(description: str, schema: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_WORDS: Final = {
    200: "Done, or read",
    202: "Accepted: it is under way",
    204: "Nothing new",
    206: "A part",
    304: "Nothing has changed since the ETag that If-None-Match names",
    400: "The request makes no sense: error says why",
    404: "There is no such thing (any more)",
    409: "Not now: error says why",
    416: "The range begins beyond the end",
    503: "A service is unavailable, or the settings are wrong",
}
_SELECTED: Final = {200: "SelectionOrCount", 202: "Selection"}
_SUBMITTED: Final = {200: "Submitted", 202: "Submitted"}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


_LIST: Final = (
    _query("state", _TEXT, f"One of {', '.join(TaskState)}, or several with commas"),
    _query("day", _TEXT, "The day of the files' last modification in UTC, such as 2026-11-30"),
    _query("route", _TEXT, "The name of a route"),
    _query("prefix", _PART_OF_NAME, "How the file's name begins"),
    _query("waiting", _TEXT, "An ISO 8601 duration: has been waiting for longer than this"),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "The most of a page"),
    _query("continuation", _TEXT, "What an earlier page was answered with"),
    _query("blob", _PART_OF_NAME, "The exact name of a file, without the others: all attempts at it as it is now"),
)
_FILES: Final = (_query("continuation", _TEXT, "What an earlier page was answered with"),)
_EXTENT: Final = (
    _query("tail", {"type": "integer", "minimum": 1}, "The last so many bytes"),
    {"name": "Range", "in": "header", "schema": _TEXT, "description": "bytes=a-b, bytes=a- or bytes=-n"},
)
_FILE_NAME: Final = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": _NAME,
    "description": "Relative to the task's working directory; slashes are written as they are.",
}


def _schemas() -> Schema:
    live = {"live": _or_null(_of_dataclass(Live))}
    return {
        "Task": _of_dataclass(TaskRecord, more=live),
        "ListedTask": _of_dataclass(TaskRecord, left_out=LEFT_OUT, more=live),
        "TaskPage": _object({"tasks": _list(_ref("ListedTask")), "continuation": _TOKEN}),
        "Submission": _submission(),
        "Select": _select(),
        "Selection": _selection(),
        "SelectionOrCount": {"anyOf": [_ref("Selection"), _object({"count": _COUNT, "is_all": _FLAG})]},
        "Selections": _object({"selections": _list(_ref("Selection"))}),
        "Pause": _object({"route": {"type": ["string", "null"], "minLength": 1, "maxLength": 100}}, required=())
        | {"additionalProperties": False},
        "Paused": _paused(),
        "Submitted": _object(
            {
                "task_id": _TEXT,
                "state": _of_class(TaskState),
                "reason": _or_null(_TEXT),
                "route": _or_null(_TEXT),
                "is_new": _FLAG,
                "status_url": _TEXT,
            }
        ),
        "Files": _object(
            {
                "state": _of_class(TaskState),
                "files": _list(_object({"name": _TEXT, "size": _or_null(_COUNT)})),
                "continuation": _TOKEN,
                "has_more": _FLAG,
            }
        ),
        "Summary": _summary(),
        "Health": _object({"status": {"enum": ["ok", "unhealthy"]}, "checks": _by_name(_CHECK)}),
        "Error": _object({"error": _TEXT, "problems": _list(_TEXT) | {"minItems": 2}}, required=("error",)),
        "Any": {"type": "object"},
    }


def _submission() -> Schema:
    properties = {
        "blob": _NAME,
        "force": _FLAG | {"description": "A new attempt, whatever became of earlier ones."},
        "route": {"type": ["string", "null"], "minLength": 1, "description": "The route that is to take the file."},
    }
    return _object(properties, required=("blob",)) | {"additionalProperties": False}


def _select() -> Schema:
    properties = {
        "action": _of_class(Action),
        "state": {"anyOf": [_of_class(TaskState), _list(_of_class(TaskState)) | {"minItems": 1}]},
        "day": {"type": ["string", "null"], "description": "Such as 2026-11-30."},
        **dict.fromkeys(("route", "prefix"), _NAME | {"type": ["string", "null"]}),
        "dry_run": _FLAG | {"description": "Only count."},
    }
    return _object(properties, required=("action", "state")) | {"additionalProperties": False}


def _selection() -> Schema:
    properties = {
        "selection_id": _TEXT,
        "action": _of_class(Action),
        "state": _list(_of_class(TaskState)),
        **dict.fromkeys(("day", "route", "asked_by", "refusal"), _or_null(_TEXT)),
        "prefix": _TEXT,
        "asked_at": _of_class(datetime),
        "done": _COUNT,
        "refused": _COUNT,
        "finished_at": _or_null(_of_class(datetime)),
    }
    return _object(properties)


def _summary() -> Schema:
    open_work = {
        "queued": _COUNT,
        "submitted": _COUNT,
        "is_all": _FLAG,
        "by_route": _by_name(_COUNTS),
        "oldest": _or_null({"type": "object"}),
    }
    minute = {"minute": _TEXT, "states": _COUNTS, "wait_seconds": _or_null({"type": "object"})}
    pool = {
        **dict.fromkeys(("id",), _TEXT),
        **dict.fromkeys(("trouble", "state", "allocation_state"), _or_null(_TEXT)),
        **dict.fromkeys(("nodes", "target", "slots_per_node"), _or_null(_COUNT)),
        "running": _COUNT,
        "errors": _list(_TEXT),
        "scale": _or_null(_object({"min": _COUNT, "max": _COUNT})),
        "node_hours_today": {"type": "number", "minimum": 0},
        "node_list": _list({"type": "object"}),
    }
    today = {"day": _TEXT, "states": _COUNTS, "by_route": _by_name(_COUNTS)}
    return _object(
        {
            "open": _or_null(_object(open_work)),
            "today": _or_null(_object(today)),
            "minutes": _or_null(_list(_object(minute))),
            "pools": _or_null(_list(_object(pool))),
            "ticks": _or_null(_by_name({"type": "object"})),
            "paused": _or_null(_ref("Paused")),
            "routes": _or_null(_list(_TEXT)),
            "routes_problem": _or_null(_TEXT),
        }
    )


def _paused() -> Schema:
    pause = _object({"since": _of_class(datetime), "asked_by": _or_null(_TEXT)})
    return _object({"intake": _or_null(pause), "routes": _by_name(pause)})


def _object(properties: Mapping[str, Schema], required: Sequence[str] | None = None) -> Schema:
    required = list(properties) if required is None else list(required)
    return {"type": "object", "properties": dict(properties), "required": required}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _by_name(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _of_dataclass(
    cls: type, left_out: frozenset[str] = frozenset(), more: Mapping[str, Schema] = MappingProxyType({})
) -> Schema:
    hints = get_type_hints(cls)
    properties = {one.name: _of_type(hints[one.name]) for one in fields(cls) if one.name not in left_out}
    return _object({**properties, **more})


def _of_type(hint: Any) -> Schema:  # noqa: ANN401 - any field's type
    kinds = [kind for kind in (get_args(hint) or (hint,)) if kind is not NoneType]
    schema = _of_class(kinds[0])
    return _or_null(schema) if NoneType in get_args(hint) else schema


def _of_class(kind: type) -> Schema:
    if issubclass(kind, StrEnum):
        return {"enum": [str(value) for value in kind]}
    if issubclass(kind, datetime):
        return {"type": "string", "format": "date-time"}
    return {"type": {bool: "boolean", int: "integer", str: "string"}[kind]}
