"""Routes that no file reaches are found where that is certain, and nowhere else."""

from datetime import timedelta

import pytest

from batch_core.config.route_order import unreachable
from batch_core.config.routes import Inputs, JobKind, Route

HOUR = timedelta(hours=1)


def route(name: str, *globs: str, inputs: Inputs = Inputs.FILE) -> Route:
    return Route(
        name=name,
        globs=globs,
        inputs=inputs,
        command_line="cat",
        job_kind=JobKind(pool_id="p"),
        max_wall_clock_time=HOUR,
        retention_time=HOUR,
    )


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (["*.txt"], ["*.txt"]),
        (["a", "*.txt"], ["*.txt", "a"]),
        (["**"], ["a/**/*.txt", "*.csv"]),
        (["in/*.txt"], ["in/a.txt"]),
        (["**/*.txt", "*.csv"], ["a.csv", "in/a.txt"]),
    ],
)
def test_a_route_whose_files_an_earlier_one_takes_is_found(earlier, later):
    routes = [route("one", *earlier), route("two", *later)]
    assert unreachable(routes) == [(routes[1], routes[0])]
    assert unreachable([routes[0]]) == []


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (["*.txt"], ["*"]),
        (["*.txt"], ["a.txt", "a.csv"]),
        (["in/*.txt"], ["in/sub/a.txt"]),
        (["in/*"], ["in/[ab].txt"]),
        (["**/*"], ["*.txt"]),
        (["A.txt"], ["a.txt"]),
    ],
)
def test_what_a_route_may_still_take_is_not_judged(earlier, later):
    assert unreachable([route("one", *earlier), route("two", *later)]) == []


def test_several_routes_may_take_all_of_one_and_the_first_is_named():
    routes = [route("one", "a"), route("two", "b"), route("three", "b", "a")]
    assert unreachable(routes) == [(routes[2], routes[1])]


def test_a_folders_route_takes_the_files_of_its_folders_too():
    folders = route("folders", "in/*/_READY", inputs=Inputs.FOLDER)
    reached = [route("two", "in/a/_READY"), route("three", "in/a/b/c.txt"), route("four", "in/a.txt")]
    assert unreachable([folders, *reached]) == [(reached[0], folders), (reached[1], folders)]
