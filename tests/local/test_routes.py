import pytest

from local.host.bindings import HttpTrigger
from local.host.errors import BindingError
from local.host.http.routes import Routes
from local.host.worker import Function


def trigger(route: str, *methods: str) -> HttpTrigger:
    function = Function(name=route, id=route, bindings=())
    return HttpTrigger(function=function, parameter="req", route=route, methods=frozenset(methods))


def found(routes: list[HttpTrigger], method: str, path: str):
    answer = Routes(routes, "api").find(method, path)
    return answer and (answer[0].route, answer[1])


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("tasks/{id}", "/api/tasks/7", {"id": "7"}),
        ("tasks/{id}", "/api/TASKS/7/", {"id": "7"}),
        ("tasks/{id}", "/api/tasks/a%2Fb%20c", {"id": "a/b c"}),
        ("tasks/{id}", "/api/tasks/%C3%BCmlaut", {"id": "ümlaut"}),
        ("tasks/{id}", "/api/tasks", None),
        ("tasks/{id}", "/api/tasks/7/output", None),
        ("tasks/{id}/{stream?}", "/api/tasks/7", {"id": "7"}),
        ("tasks/{id}/{stream?}", "/api/tasks/7/stderr", {"id": "7", "stream": "stderr"}),
        ("pages/{number:int}", "/api/pages/12", {"number": "12"}),
        ("pages/{number:int}", "/api/pages/twelve", None),
        ("files/{*path}", "/api/files/a/b.txt", {"path": "a/b.txt"}),
        ("files/{*path}", "/api/files", {}),
        ("files/{*path}", "/api/files/", {}),
        ("files/{*path}", "/api/files/a/b/", {"path": "a/b/"}),
        ("files/{*path}", "/api/files/a//b", {"path": "a//b"}),
        ("files/{*path}", "/api/files/a%2Fb%20c%252e", {"path": "a/b c%2e"}),
        ("files/{*path}", "/api/files/..%2f%2e%2e/x%5Cy%00", {"path": "../../x\\y\0"}),
        ("tasks/{id}/files/{*name}", "/api/tasks/7/files/a/b.txt", {"id": "7", "name": "a/b.txt"}),
        ("tasks/{id}/files/{*name}", "/api/tasks/7/filesystem", None),
        ("v{major}.{minor}", "/api/v1.2", {"major": "1", "minor": "2"}),
        ("health", "/health", None),
    ],
)
def test_a_template_matches_the_paths_that_asp_net_would_match(template, path, parameters):
    expected = None if parameters is None else (template, parameters)
    assert found([trigger(template)], "GET", path) == expected


def test_a_literal_segment_is_preferred_to_a_parameter_and_that_to_a_catch_all():
    routes = [trigger("{*rest}"), trigger("{name}"), trigger("health")]
    assert found(routes, "GET", "/api/health") == ("health", {})
    assert found(routes, "GET", "/api/other") == ("{name}", {"name": "other"})
    assert found(routes, "GET", "/api/a/b") == ("{*rest}", {"rest": "a/b"})


@pytest.mark.parametrize("path", ["/api/tasks/7/files", "/api/tasks/7/files/"])
def test_a_catch_all_leaves_what_another_template_spells_out_to_that(path):
    routes = [trigger("tasks/{id}/files/{*name}"), trigger("tasks/{id}/files"), trigger("tasks/{id}/stdout")]
    assert found(routes, "GET", path) == ("tasks/{id}/files", {"id": "7"})
    assert found(routes, "GET", "/api/tasks/7/files/stdout") == (
        "tasks/{id}/files/{*name}",
        {"id": "7", "name": "stdout"},
    )


def test_methods_distinguish_two_functions_of_one_path():
    routes = [trigger("tasks", "GET"), trigger("Tasks", "POST")]
    assert found(routes, "POST", "/api/tasks") == ("Tasks", {})
    assert found(routes, "DELETE", "/api/tasks") is None


@pytest.mark.parametrize("template", ["tasks/{id", "tasks/{id:weekday}"])
def test_a_template_that_is_not_understood_is_refused_at_the_start(template):
    with pytest.raises(BindingError):
        Routes([trigger(template)], "api")
