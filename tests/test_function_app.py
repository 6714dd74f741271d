import re
from dataclasses import fields
from pathlib import Path

import function_app
from batch_core.state.record import TaskRecord

DOCS = (Path(__file__).parents[1] / "docs/http-api.md").read_text()
# Asked for once: a second time the library takes every name for a duplicate.
TRIGGERS = {one.get_function_name(): one.get_trigger().get_dict_repr() for one in function_app.app.get_functions()}
HTTP = [trigger for trigger in TRIGGERS.values() if trigger["type"] == "httpTrigger"]


def test_every_route_needs_a_function_key_but_the_files_of_the_page_which_hold_no_data():
    assert {one["route"] for one in HTTP if one["authLevel"].name != "FUNCTION"} == {"dashboard/{*file}"}


def test_the_docs_list_every_route():
    routes = {f"{method.name} /api/{one['route']}" for one in HTTP for method in one["methods"]}
    assert set(re.findall(r"^\| `((?:GET|POST) [^`]+)`", DOCS, re.MULTILINE)) == routes


def test_the_docs_list_every_timer_with_its_setting():
    timers = {(name, one["schedule"]) for name, one in TRIGGERS.items() if one["type"] == "timerTrigger"}
    listed = re.findall(r"^\| `(\w+)` \| `(\w+_SCHEDULE)` \|", DOCS, re.MULTILINE)
    schedules = function_app.bindings
    values = {
        "COLLECT_SCHEDULE": schedules.collect_schedule,
        "SWEEP_SCHEDULE": schedules.sweep_schedule,
        "SCALE_SCHEDULE": schedules.scale_schedule,
        "TIDY_SCHEDULE": schedules.tidy_schedule,
    }
    assert {(name, values[setting]) for name, setting in listed} == timers


def test_the_docs_list_every_field_of_a_record():
    section = DOCS.partition("## The record")[2].partition("## Output")[0]
    listed = [
        name for row in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section, re.MULTILINE) for name in row.split(", ")
    ]
    shown = {field.name for field in fields(TaskRecord)} | {"live"}
    assert sorted(name.strip("`") for name in listed) == sorted(shown)
