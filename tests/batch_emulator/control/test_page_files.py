"""The files of the page, and how every other answer of the interface keeps a browser from running it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from batch_emulator.control import page_files
from batch_emulator.control.routes import CONTROL_ROUTES
from tests.batch_emulator.control_client import control
from tests.batch_emulator.signed import send

FOLDER = Path(page_files.__file__).parent / "page"
FILES = {
    "/": ("index.html", "text/html"),
    "/page/page.css": ("page.css", "text/css"),
    "/page/page.js": ("page.js", "text/javascript"),
}
HTML, SCRIPT = (FOLDER / "index.html").read_text(), (FOLDER / "page.js").read_text()
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
INERT = "default-src 'none'; frame-ancestors 'none'; sandbox"
REFUSALS = [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]


@pytest.mark.parametrize("path", FILES)
async def test_each_file_is_served_as_what_it_is(url, path):
    name, content_type = FILES[path]
    answer = await control(url, "GET", path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, f"{content_type}; charset=utf-8")
    assert answer.body == (FOLDER / name).read_bytes()
    assert answer.headers.getall("Content-Security-Policy") == [POLICY]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == answer.headers["Cross-Origin-Resource-Policy"]


def test_every_file_of_the_folder_is_served_and_no_other():
    assert {file.name for file in FOLDER.iterdir()} == {name for name, _ in FILES.values()}


@pytest.mark.parametrize(
    "path",
    [
        *("/index.html", "/page", "/page/", "/page/index.html", "/page/PAGE.JS", "/page/page.js/x"),
        *("/page/..%2Fpage_files.py", "/page/%2e%2e%2froutes.py", "/page/page.js%00"),
    ],
)
async def test_what_is_not_listed_is_not_found(url, path):
    assert (await control(url, "GET", path)).status == 404


async def test_without_the_last_slash_it_leads_to_the_page(url):
    answer = await control(url, "GET", "", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (308, "/_emulator/")


async def test_whatever_the_interface_answers_but_the_page_is_json_that_no_browser_runs(url):
    shown = {f"/_emulator{path}" for path in FILES}
    for route in CONTROL_ROUTES:
        if route.path in shown or route.name == "reset":
            continue
        path = re.sub(r"\{\w+\}", "x", route.path).removeprefix("/_emulator")
        answer = await control(url, route.method, path)
        assert answer.status == 204 or answer.headers["Content-Type"].startswith("application/json"), route
        assert answer.headers.getall("Content-Security-Policy") == [INERT], route
        assert answer.headers["X-Content-Type-Options"] == "nosniff", route


@pytest.mark.parametrize("headers", REFUSALS)
async def test_nor_does_a_refusal_run(url, headers):
    answer = await control(url, "GET", "/%3Cscript%3E", headers=headers)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers.getall("Content-Security-Policy") == [INERT]


async def test_a_file_that_a_task_wrote_is_no_document_of_the_emulators_origin(url, batch):
    job = await batch.job(await batch.ready_pool(1))
    await batch.run(job, "/bin/sh -c 'echo \"<script>alert(1)</script>\" > evil.html'")
    path = f"/jobs/{job}/tasks/task/files/wd%2Fevil.html"
    assert (await control(url, "GET", path)).status == 404
    signed = await send(url, "GET", path)
    assert (signed.status, signed.headers["Content-Type"]) == (200, "text/html")
    assert signed.headers["Content-Security-Policy"] == INERT
    assert signed.headers["X-Content-Type-Options"] == "nosniff"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def tags():
    parser = Tags()
    parser.feed(HTML)
    return parser.found


def test_nothing_in_the_page_is_inline():
    assert [tag for tag, attributes in tags() if tag == "style" or (tag == "script" and "src" not in attributes)] == []
    assert [name for _, attributes in tags() for name in attributes if name.startswith("on") or name == "style"] == []


def test_all_that_the_page_needs_is_its_own():
    wanted = [
        attributes.get("src") or attributes["href"] for tag, attributes in tags() if tag in {"img", "script", "link"}
    ]
    assert [name for name in wanted if not name.startswith("data:image/svg+xml,")] == [
        "/_emulator/page/page.css",
        "/_emulator/page/page.js",
    ]
    assert not re.search(r"@import|url\(", (FOLDER / "page.css").read_text())
    assert not re.search(r"^import |\bimport\(|https?://", SCRIPT, re.MULTILINE)


def test_the_script_takes_no_data_for_html_for_a_script_or_for_an_address():
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|srcdoc"
    assert not re.search(forbidden + r"|\b(src|href|action|style)\b", SCRIPT)


def test_every_element_that_the_script_names_exists():
    ids = {attributes["id"] for _, attributes in tags() if "id" in attributes}
    assert set(re.findall(r'byId\("([^"]+)"\)', SCRIPT)) - ids == set()
