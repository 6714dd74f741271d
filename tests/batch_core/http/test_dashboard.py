"""The files of the dashboard: which are served, with which headers, and what they may not hold."""

import re
from html.parser import HTMLParser
from pathlib import Path

import azure.functions as func
import pytest

import function_app
from batch_core.http import dashboard
from batch_core.http.dashboard import FILES

FOLDER = Path(dashboard.__file__).parent / "page"
TEXTS = {file.name: file.read_text() for file in FOLDER.iterdir()}
SCRIPTS = {name: text for name, text in TEXTS.items() if name.endswith(".js")}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def answer(file="", path=None, headers=None):
    """Call the function as the host does; a name that is empty is no parameter."""
    url = f"http://host/api/{path or 'dashboard/' + file if file or path else 'dashboard'}"
    params = {"file": file} if file else {}
    request = func.HttpRequest(method="GET", url=url, route_params=params, headers=headers or {}, body=b"")
    return await function_app.get_dashboard._function.get_user_function()(request)


@pytest.mark.parametrize("file", FILES)
async def test_each_file_is_served_as_what_it_is(file):
    response = await answer(file)
    assert (response.status_code, response.mimetype) == (200, FILES[file])
    assert response.get_body() == (FOLDER / (file or "index.html")).read_bytes()
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-cache"
    again = await answer(file, headers={"if-none-match": response.headers["ETag"]})
    assert (again.status_code, again.get_body()) == (304, b"")


def test_every_file_of_the_folder_is_served_and_no_other():
    assert {name or "index.html" for name in FILES} == set(TEXTS)


@pytest.mark.parametrize(
    "file",
    [
        *("index.html", "nothing.js", "APP.JS", "app.js/", "./app.js", "app.js\0", "../page/app.js"),
        *("../dashboard.py", "..\\dashboard.py", "/etc/passwd", "x" * 5000),
    ],
)
async def test_what_is_not_listed_is_not_found(file):
    response = await answer(file)
    assert response.status_code == 404
    assert len(response.get_body()) < 300


async def test_a_slash_at_the_end_leads_to_the_page():
    response = await answer(path="dashboard/")
    assert (response.status_code, response.headers["Location"]) == (308, "../dashboard")


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def tags():
    parser = Tags()
    parser.feed(TEXTS["index.html"])
    return parser.found


def test_nothing_in_the_page_is_inline():
    assert [tag for tag, attributes in tags() if tag == "style" or (tag == "script" and "src" not in attributes)] == []
    assert [name for _, attributes in tags() for name in attributes if name.startswith("on") or name == "style"] == []
    assert re.findall(r"<script[^>]*>\s*[^<\s]", TEXTS["index.html"]) == []


def test_all_that_the_page_needs_is_its_own():
    wanted = {
        attributes.get("src") or attributes["href"] for tag, attributes in tags() if tag in {"img", "script", "link"}
    }
    imported = {name for text in SCRIPTS.values() for name in re.findall(r'from "\./([^"]+)"', text)}
    assert {name.removeprefix("dashboard/") for name in wanted} | imported == set(FILES) - {""}
    statements = sum(len(re.findall(r"^import |\bimport\(", text, re.MULTILINE)) for text in SCRIPTS.values())
    assert statements == sum(len(re.findall(r'from "\./[^"]+";', text)) for text in SCRIPTS.values())
    assert [name for name, text in TEXTS.items() if re.search(r"@import|url\(", text)] == []


def test_no_script_takes_data_for_html_or_for_a_script():
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|srcdoc"
    assert [name for name, text in SCRIPTS.items() if re.search(forbidden, text)] == []


def test_every_element_that_a_script_names_exists():
    ids = {attributes["id"] for _, attributes in tags() if "id" in attributes}
    named = {name for text in SCRIPTS.values() for name in re.findall(r'byId\("([^"]+)"\)', text)}
    assert named - ids == set()
