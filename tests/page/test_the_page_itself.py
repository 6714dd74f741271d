"""How the dashboard behaves: for whom, on what, how often it asks, and what it says when it gets no answer."""

import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect
from yarl import URL

from tests.page.conftest import HASTE

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
SERIOUS = ("serious", "critical")

HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""

RICH = {
    "open": {
        "queued": 3,
        "submitted": 9,
        "is_all": True,
        "by_route": {"a": {"queued": 3, "submitted": 9}},
        "oldest": None,
    },
    "today": {"day": "2026-11-30", "states": {"succeeded": 4, "failed": 1}, "by_route": {}},
    "minutes": [
        {
            "minute": f"17:{number:02}",
            "states": {"succeeded": number, "failed": number % 3},
            "wait_seconds": {"average": 2.5, "longest": float(number)} if number else None,
        }
        for number in range(60)
    ],
    "pools": [
        {
            "id": "spot",
            "trouble": "its Spot nodes were preempted",
            "state": "active",
            "allocation_state": "resizing",
            "nodes": 7,
            "target": 9,
            "slots_per_node": 4,
            "running": 3,
            "errors": ["AccountCoreQuotaReached"],
            "scale": {"min": 0, "max": 12},
            "node_hours_today": 4.2,
            "node_list": [
                {"id": f"tvmps_{state}", "state": state, "since": "2026-11-30T17:00:00Z", "is_dedicated": False}
                | {"is_open": state != "offline", "tasks": tasks, "slots": tasks}
                for state, tasks in [
                    *(("running", 3), ("idle", 0), ("offline", 0), ("starting", 0)),
                    *(("preempted", 0), ("unusable", 0), ("leavingpool", 0)),
                ]
            ],
        },
        {
            "id": "big",
            "trouble": None,
            "state": "active",
            "allocation_state": "steady",
            "nodes": 1,
            "target": 1,
            "slots_per_node": 64,
            "running": 20,
            "errors": [],
            "scale": None,
            "node_hours_today": 0,
            "node_list": [
                {"id": "tvmps_big", "state": "running", "since": "2026-11-30T17:00:00Z", "is_dedicated": True}
                | {"is_open": True, "tasks": 20, "slots": 20}
            ],
        },
    ],
    "ticks": {
        "collect_outputs": {
            "at": "2026-11-30T17:00:00+00:00",
            "seconds": 0.2,
            "did": {"states": {"succeeded": 4}},
            "is_complete": True,
        }
    },
    "paused": {"intake": None, "routes": {"a": {"since": "2026-11-30T17:00:00Z", "asked_by": "somebody"}}},
    "routes": ["a", "b", "settings"],
    "routes_problem": "routes.toml: line 3 cannot be read",
}
TASK = {
    "state": "succeeded",
    "route": "a",
    "attempt": 1,
    "recorded_at": "2026-11-30T17:00:00Z",
    "started_at": "2026-11-30T17:00:01Z",
    "ended_at": "2026-11-30T17:00:03Z",
    "exit_code": 0,
    "stdout_size": 2_500,
    "files": None,
    "live": None,
}
EMPTY = RICH | {
    "open": {"queued": 0, "submitted": 0, "is_all": True, "by_route": {}, "oldest": None},
    "today": {"day": "2026-11-30", "states": {}, "by_route": {}},
    "pools": [],
    "ticks": {},
    "paused": None,
    "routes_problem": None,
}


async def answering(page, path, document):
    """Answer what the page asks for with a document."""

    async def answer(route):
        await route.fulfill(status=200, content_type="application/json", body=json.dumps(document))

    await page.route(re.compile(rf"/api/{path}(\?|$)"), answer)


async def serious_violations(page):
    await page.evaluate(f"{AXE.read_text()}\n;null")
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        (one["id"], [node["html"][:150] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(dashboard, tab, scheme):
    page = tab.page
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    name = f"broken/axe-{scheme}.txt"
    await dashboard.system.drop(name, b"a")
    await answering(page, "summary", RICH)
    await page.goto(dashboard.url)
    await page.locator(".pool").first.wait_for()
    await page.locator("#rows tr", has_text=name).click()
    await expect(page.locator("#panel-state")).to_contain_text("Failed")
    assert await serious_violations(page) == []
    await page.get_by_role("tab", name="Record").click()
    assert await serious_violations(page) == []
    await page.get_by_role("button", name="Try again").click()
    assert await serious_violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_where_nothing_is_yet(dashboard, tab, scheme):
    page = tab.page
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await answering(page, "summary", EMPTY)
    await answering(page, "tasks", {"tasks": [], "continuation": None})
    await page.goto(dashboard.url)
    await expect(page.locator("#nothing-yet")).to_contain_text("batchdrop drop")
    assert await serious_violations(page) == []
    await page.get_by_role("button", name="Submit a file").click()
    assert await serious_violations(page) == []


async def test_everything_is_reached_by_keyboard(dashboard, page):
    for name in ("quick/key-1.txt", "quick/key-2.txt"):
        await dashboard.system.drop(name, b"a")
    await expect(page.locator("#rows tr").filter(has_text="quick/key-")).to_have_count(2)
    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()
    await page.keyboard.type("quick/key-")
    await expect(page.locator("#rows tr")).to_have_count(2)
    # From the search over the selects to the first row.
    while not await page.evaluate("document.activeElement.matches('button.open')"):
        await page.keyboard.press("Tab")
    rows = page.locator("button.open")
    await expect(rows.first).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(rows.last).to_be_focused()
    name = await rows.last.text_content()
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel-title")).to_be_focused()
    await expect(page.locator("#panel-title")).to_have_text(name)
    await page.locator("[role=tab][aria-selected=true]").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#tab-stderr")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(rows.last).to_be_focused()


async def test_a_phone_scrolls_down_only(dashboard, tab):
    page = tab.page
    await page.set_viewport_size({"width": 390, "height": 844})
    await dashboard.system.drop("quick/" + "a-long-name-without-a-space" * 8 + ".txt", b"a")
    await answering(page, "summary", RICH)
    await page.goto(dashboard.url)
    line = page.locator("#rows tr", has_text="a-long-name")
    await line.wait_for()
    for step in (lambda: None, line.click):
        if pending := step():
            await pending
            await page.locator("#panel-facts dd").first.wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await page.locator("#tasks").evaluate("part => part.inert")
    await page.get_by_role("button", name="Close the details").click()
    assert not await page.locator("#tasks").evaluate("part => part.inert")


async def test_the_key_is_asked_for_once_and_kept_for_the_tab(dashboard, tab):
    page, addresses = tab.page, []
    page.on("request", lambda request: addresses.append(request.url))

    async def guarded(route):
        if route.request.headers.get("x-functions-key") == "the right one":
            await route.continue_()
        else:
            await route.fulfill(status=401)

    await page.route(re.compile("/api/(?!dashboard)"), guarded)
    await page.goto(dashboard.url)
    dialog = page.locator("#key")
    await dialog.get_by_label("Key").fill("a wrong one")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("does not take this key")
    await page.keyboard.press("Escape")
    await expect(page.locator("#trouble")).to_contain_text("asks for a function key")
    await page.get_by_role("button", name="Enter a key").click()
    await dialog.get_by_label("Key").fill("the right one")
    await dialog.get_by_role("button", name="Use it").click()
    await page.locator("#freshness.fresh").wait_for()
    await page.reload()
    await page.locator("#freshness.fresh").wait_for()
    await expect(dialog).to_be_hidden()
    assert [one for one in addresses if "right" in one or "wrong" in one] == []
    assert await page.evaluate("localStorage.length") == 0


async def test_what_has_not_changed_is_not_sent_again(page):
    for path in ("/api/summary", "/api/tasks?"):
        async with page.expect_response(lambda reply, path=path: path in reply.url and reply.status == 304):
            pass
    await expect(page.locator("#freshness-words")).to_have_text("Up to date")


async def test_it_asks_seldom_while_nobody_looks(dashboard, tab):
    page, asked = tab.page, Counter()
    await page.clock.install()
    await page.goto(dashboard.url)
    await page.locator("#freshness.fresh").wait_for()
    await page.evaluate(HIDE, True)
    await page.clock.pause_at(await page.evaluate("Date.now() / 1000 + 1"))
    page.on("request", lambda request: asked.update([request.url.partition("/api/")[2].partition("?")[0]]))
    await page.clock.run_for(25_000)
    assert asked == {}
    async with page.expect_response(lambda reply: "/api/tasks?" in reply.url):
        await page.clock.run_for(6_000)
    assert asked == {"summary": 1, "tasks": 1}
    # Who comes back sees at once what there is.
    async with page.expect_response(lambda reply: "/api/summary" in reply.url):
        await page.evaluate(HIDE, False)


async def test_it_has_one_request_of_a_kind_at_a_time(dashboard, tab):
    page, waiting = tab.page, []

    async def held(route):
        waiting.append(route)

    await page.route(re.compile("/api/summary"), held)
    async with page.expect_request(re.compile("/api/summary")):
        await page.goto(dashboard.url)
    for _ in range(5):
        await page.evaluate(HIDE, False)
    async with page.expect_response(lambda reply: "/api/tasks?" in reply.url):
        pass
    assert len(waiting) == 1
    await waiting[0].continue_()
    await page.locator("#freshness.fresh").wait_for()


async def test_it_says_since_when_it_is_not_up_to_date_and_tries_again(dashboard, page):
    async def broken(route):
        await route.fulfill(status=503, headers={"Retry-After": "40"}, body='{"error": "Storage does not answer"}')

    await page.route(re.compile("/api/summary"), broken)
    trouble = page.locator("#trouble")
    await expect(trouble).to_contain_text(re.compile(r"Not up to date since .*: Storage does not answer\."))
    await expect(trouble).to_contain_text(re.compile(r"Next try in [34]\d s"))
    await expect(page.locator("#freshness-words")).to_have_text("Not up to date")
    await page.unroute(re.compile("/api/summary"))
    await page.get_by_role("button", name="Try now").click()
    await expect(trouble).to_be_hidden()


async def test_an_app_without_the_routes_of_outputs_says_so(dashboard, page):
    async def missing(route):
        await route.fulfill(status=404)

    await page.route(re.compile("/(stdout|stderr|files)"), missing)
    await dashboard.system.drop("quick/no-output.txt", b"a")
    await page.locator("#rows tr", has_text="quick/no-output.txt").click()
    await expect(page.locator("#panel-output")).to_contain_text("does not give what a command prints")
    await page.get_by_role("tab", name="Files").click()
    await expect(page.locator("#panel-output")).to_contain_text("does not list files")
    await page.get_by_role("tab", name="Record").click()
    await expect(page.locator("#panel-record")).to_contain_text("quick/no-output.txt")


async def test_pools_are_drawn_by_what_their_nodes_do(dashboard, tab):
    page = tab.page
    await answering(page, "summary", RICH)
    await page.goto(dashboard.url)
    spot = page.locator(".pool").first
    classes = [await node.get_attribute("class") for node in await spot.locator(".node").all()]
    expected = ["able", "able", "closed", "starting", "preempted", "broken", "leaving", "starting", "starting"]
    assert classes == [f"node {kind}" for kind in expected]
    await expect(spot).to_contain_text("7 nodes of 9 wanted, 0 to 12")
    await expect(spot).to_contain_text("3 of 8 slots taken · 4.2 node-hours today")
    notes = await spot.locator(".note").all_text_contents()
    assert notes == ["Its Spot nodes were preempted.", "AccountCoreQuotaReached."]
    await expect(page.locator("#routes-problem")).to_contain_text("line 3 cannot be read")
    await expect(page.locator("#paused")).to_contain_text(re.compile("Route a is paused since .* by somebody"))
    await expect(page.locator("#ticks")).to_contain_text("4 succeeded")
    await expect(page.get_by_role("img", name="Files a minute over the last hour")).to_be_visible()


async def paged(page, count):
    """Answer lists with this many pages of one task each, the first two of which are empty."""

    async def answer(route):
        number = int(parse_qs(urlsplit(route.request.url).query).get("continuation", ["0"])[0])
        tasks = [] if number < 2 else [{**TASK, "task_id": f"task-{number}", "blob": f"page-{number}.txt"}]
        further = str(number + 1) if number < count else None
        await route.fulfill(json={"tasks": tasks, "continuation": further})

    await page.route(re.compile(r"/api/tasks\?"), answer)


async def test_pages_that_are_empty_go_on_and_more_is_shown_when_it_is_asked_for(dashboard, tab):
    page = tab.page
    await paged(page, 3)
    await page.goto(dashboard.url)
    await expect(page.locator("#rows tr")).to_have_count(1)
    more = page.get_by_role("button", name="Look further back")
    # Three were asked for, since the first two had nothing: it goes on from there.
    await more.click()
    await expect(page.locator("#rows tr")).to_have_count(2)
    await expect(page.locator("button.open").last).to_have_text("page-3.txt")
    await expect(more).to_be_hidden()


async def test_empty_pages_are_counted_from_where_it_stopped(dashboard, tab):
    """Two of ten pages have a task: each click looks through three more at most, and what is shown stays."""
    page, asked = tab.page, []

    async def answer(route):
        number = int(parse_qs(urlsplit(route.request.url).query).get("continuation", ["0"])[0])
        asked.append(number)
        tasks = [{**TASK, "task_id": f"task-{number}", "blob": f"page-{number}.txt"}] if number in {5, 9} else []
        await route.fulfill(json={"tasks": tasks, "continuation": str(number + 1) if number < 9 else None})

    await page.route(re.compile(r"/api/tasks\?"), answer)
    await page.add_init_script(HASTE)
    await page.goto(dashboard.url)
    more = page.get_by_role("button", name="Look further back")
    await more.wait_for()
    assert max(asked) == 2
    await more.click()
    await expect(page.locator("button.open")).to_have_text(["page-5.txt"])
    assert max(asked) == 5
    async with page.expect_response(lambda reply: "continuation=8" in reply.url):
        await more.click()
    assert max(asked) == 8
    await more.click()
    await expect(page.locator("button.open")).to_have_text(["page-5.txt", "page-9.txt"])
    await expect(more).to_be_hidden()
    # The next look at it goes as far.
    async with page.expect_response(lambda reply: "continuation=9" in reply.url):
        pass
    await expect(page.locator("#rows tr")).to_have_count(2)


@pytest.mark.parametrize("path", ["/..%2f..%2ffunction_app.py", "/%2e%2e/dashboard.py", "//etc/passwd", "/index.html"])
async def test_a_host_gives_no_other_file(dashboard, path):
    async with dashboard.system.http.get(URL(dashboard.url + path, encoded=True)) as response:
        assert response.status == 404


async def test_a_host_leads_from_a_slash_at_the_end_to_the_page(dashboard):
    async with dashboard.system.http.get(f"{dashboard.url}/") as response:
        assert (response.status, str(response.url), response.content_type) == (200, dashboard.url, "text/html")
