"""What the dashboard says of figures, times and problems, and in which order."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from tests.page.test_tasks_on_the_page import dropped, found, row
from tests.page.test_the_page_itself import RICH, TASK, answering, serious_violations

READABLE = RICH | {"routes_problem": None}
PROBLEM = "own-routes.toml, route {}: 'match' is missing: write which files it takes, such as 'letters/*'"


async def shown(dashboard, page, summary):
    """Open the page, with this summary."""
    await answering(page, "summary", summary)
    await page.goto(dashboard.url)
    await page.locator("#freshness.fresh").wait_for()
    await page.locator("#ticks li").first.wait_for()


async def listed(page, *tasks):
    """Answer lists with these tasks."""
    await answering(page, "tasks", {"tasks": [TASK | one for one in tasks], "continuation": None})


async def test_what_was_cancelled_is_no_success_in_the_chart(dashboard, tab):
    minute = {"minute": "17:00", "wait_seconds": None, "states": {"succeeded": 2, "cancelled": 3, "output_lost": 1}}
    await shown(dashboard, tab.page, {**READABLE, "minutes": [minute]})
    chart = tab.page.locator("#chart figure").first
    assert await chart.locator(".legend li").all_text_contents() == ["2 succeeded", "1 output lost", "3 cancelled"]
    heights = {
        kind: float(await chart.locator(f"rect.{kind}").get_attribute("height")) for kind in ("ok", "off", "bad")
    }
    # Each is drawn over the one behind it: three of six are grey, one is red.
    assert heights["ok"] == pytest.approx(64)
    assert heights["off"] - heights["bad"] == pytest.approx(32, abs=0.1)
    words = "Files a minute over the last hour: 6 ended, at most 6 a minute; 2 succeeded, 1 output lost, 3 cancelled"
    await expect(tab.page.get_by_role("img", name=words)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_of_many_problems_of_the_routes_the_first_is_shown(dashboard, tab, scheme):
    page = tab.page
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    problem = "; ".join(PROBLEM.format(number) for number in range(40))
    await shown(dashboard, page, {**RICH, "routes_problem": problem, "routes": None, "pools": []})
    banner = page.locator("#routes-problem")
    await expect(banner).to_contain_text(PROBLEM.format(0))
    await expect(banner).to_contain_text("This is the first of 40 problems. batchdrop routes check shows all.")
    await expect(banner.get_by_text("route 39")).to_be_hidden()
    assert (await banner.bounding_box())["height"] < 160
    await expect(page.locator("#pools")).to_have_text(
        "Which pools there are is not known while the routes cannot be read."
    )
    assert await serious_violations(page) == []
    await banner.get_by_role("button", name="Show all").click()
    await expect(banner.locator("li")).to_have_count(39)
    await expect(banner.get_by_text("route 39")).to_be_attached()
    assert (await banner.bounding_box())["height"] < 600
    assert await serious_violations(page) == []
    await banner.get_by_role("button", name="Show less").click()
    await expect(banner.locator("li").first).to_be_hidden()


async def test_a_problem_that_is_long_is_cut_until_somebody_wants_it_all(dashboard, tab):
    await shown(dashboard, tab.page, {**RICH, "routes_problem": "own-routes.toml cannot be read: " + "why " * 800})
    banner = tab.page.locator("#routes-problem")
    cut = (await banner.bounding_box())["height"]
    await banner.get_by_role("button", name="Show all").click()
    assert (await banner.bounding_box())["height"] > cut + 100


async def test_a_timer_says_when_it_last_did_something(dashboard, tab):
    def tick(minutes, did):
        return {
            "at": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(),
            "seconds": 0.01,
            "did": did,
            "is_complete": True,
        }

    ticks = {
        "collect_outputs": tick(1, {"states": {"succeeded": 4}}),
        "sweep_files": tick(4, {}),
        "tidy_jobs": tick(21, {}),
    }
    await shown(dashboard, tab.page, {**READABLE, "ticks": ticks})
    lines = tab.page.locator("#ticks li")
    await expect(lines.nth(0)).to_contain_text("Collect outputdid something 1 min ago4 succeeded")
    await expect(lines.nth(0)).to_contain_text("took <\u00a00.1\u00a0s")
    await expect(lines.nth(1)).to_contain_text("was idle 4 min agonothing to do")
    await expect(lines.nth(2)).to_contain_text("last noted 21 min ago: is it still running?")
    await expect(tab.page.locator("#ticks .late")).to_have_count(1)
    await expect(tab.page.locator("#ticks")).to_contain_text("every five minutes only")


async def test_busy_routes_are_first_and_stay_where_they_are(dashboard, tab):
    page, by_route = tab.page, {"f": {"queued": 0, "submitted": 1}, "c": {"queued": 9, "submitted": 0}}
    summary = {
        **READABLE,
        "routes": list("abcdefghij"),
        "open": {**RICH["open"], "by_route": by_route},
        "today": {**RICH["today"], "by_route": {"b": {"succeeded": 4}}},
        "paused": {"intake": {"since": "2026-11-29T17:00:00Z", "asked_by": None}, "routes": {}},
    }
    await shown(dashboard, page, summary)
    names = page.locator("#intake li .link")
    assert await names.all_text_contents() == ["c", "f", "b", "a", "d", "e", "g", "h"]
    # That all waits is said once, and not of each route.
    await expect(page.locator("#intake").get_by_text("paused")).to_have_count(1)
    # More work on one of them moves nothing.
    by_route["f"]["queued"] = 500
    await page.unroute(re.compile(r"/api/summary(\?|$)"))
    await shown(dashboard, page, summary)
    await expect(page.locator("#intake")).to_contain_text("500 queued")
    assert await names.all_text_contents() == ["c", "f", "b", "a", "d", "e", "g", "h"]
    chart, intake = [await page.locator(part).bounding_box() for part in ("#chart", "#intake")]
    assert chart["y"] < intake["y"]


async def test_times_are_utc_wherever_somebody_is(dashboard, browser):
    context = await browser.new_context(timezone_id="Asia/Kolkata", locale="en-US")
    page = await context.new_page()
    pause = {"since": "2026-11-29T17:00:00Z", "asked_by": None}
    await shown(dashboard, page, {**READABLE, "paused": {"intake": pause, "routes": {}}})
    await expect(page.locator("#paused")).to_contain_text("since 2026-11-29 17:00:00 UTC: its files wait")
    await (await dropped(dashboard, page, "quick/utc.txt")).click()
    await expect(page.locator("#panel-facts")).to_contain_text(re.compile(r"Started\d\d:\d\d:\d\d UTC, waited"))
    _, record = await dashboard.system.get(f"tasks/{await page.locator('#panel-id').text_content()}")
    moment = datetime.fromisoformat(record["started_at"] or record["live"]["started_at"])
    await expect(page.locator("#panel-facts")).to_contain_text(f"{moment:%H:%M:%S} UTC")
    await context.close()


async def test_what_is_counted_together_is_told_apart(dashboard, tab):
    states = {"rejected": 2, "cancelled": 13}
    await shown(dashboard, tab.page, {**READABLE, "today": {**RICH["today"], "states": states}})
    await expect(tab.page.locator("#count-stopped small")).to_have_text("2 rejected, 13 cancelled")


async def test_a_row_has_its_reason_its_route_and_its_node_in_full(dashboard, tab):
    page = tab.page
    waits = "it waits for a node of pool 'files': every task slot is taken"
    node = "tvmps_0123456789abcdef0123456789abcdef_d"
    await listed(
        page,
        {"task_id": "a", "blob": "a.txt", "state": "submitted", "reason": waits, "route": "a" * 32, "ended_at": None}
        | {"live": {"state": "active", "reason": "it waits for a node", "node_id": None, "started_at": None}},
        {"task_id": "b", "blob": "b.txt", "state": "submitted", "reason": "it is running", "ended_at": None}
        | {"live": {"state": "running", "reason": "it is running", "node_id": node, "started_at": None}},
        {"task_id": "c", "blob": "c.txt", "ended_at": "2026-11-30T17:00:01.010Z"},
    )
    await shown(dashboard, page, READABLE)
    await expect(row(page, "a.txt")).to_contain_text("Waiting for a node of pool 'files': every task slot is taken")
    route = row(page, "a.txt").locator(".route")
    await expect(route).to_have_attribute("title", "a" * 32)
    assert (await route.bounding_box())["height"] < 70
    await expect(row(page, "b.txt").locator(".why bdi")).to_have_attribute("title", f"on node {node}")
    await expect(row(page, "c.txt")).to_contain_text("<\u00a00.1\u00a0s")


async def test_a_node_says_what_it_does_to_who_points_at_it_or_goes_there(dashboard, tab):
    page = tab.page
    await shown(dashboard, page, READABLE)
    nodes = page.locator(".pool").first.locator(".node")
    await nodes.first.hover()
    await expect(nodes.first.locator(".tip")).to_have_css("clip-path", "none")
    await expect(nodes.first.locator(".tip")).to_have_text(
        "tvmps_running (Spot) takes tasks (running), 3 of 4 slots taken by 3 tasks"
    )
    await page.mouse.move(0, 0)
    await page.locator("#more, #many-open").last.focus()
    await nodes.first.focus()
    await page.keyboard.press("ArrowRight")
    await expect(nodes.nth(1)).to_be_focused()
    await expect(nodes.nth(1).locator(".tip")).to_have_css("clip-path", "none")
    await expect(nodes.nth(1).locator(".tip")).to_contain_text("nothing runs on it")


async def test_the_details_have_the_whole_node_and_the_size(dashboard, page):
    line = await dropped(dashboard, page, "quick/whole.txt", b"12345")
    await expect(line).to_contain_text("Succeeded")
    await line.click()
    _, record = await dashboard.system.get(f"tasks/{await page.locator('#panel-id').text_content()}")
    await expect(page.locator("#panel-facts").get_by_text(record["node_id"], exact=True)).to_be_visible()
    await page.get_by_role("button", name=f"Copy {record['node_id']}").click()
    await expect(page.locator("#panel-facts").get_by_text(re.compile("Copied|Select it to copy"))).to_be_visible()
    await expect(page.locator("#panel-facts")).to_contain_text("Size5 bytes")
    # What went well is seldom run again.
    await expect(page.locator("#panel-retry")).not_to_have_class("main")


async def test_a_new_attempt_that_fails_shows_what_it_wrote_unless_a_tab_was_chosen(dashboard, page):
    line = await dropped(dashboard, page, "broken/first.txt")
    await expect(line).to_contain_text("Failed")
    await line.click()
    for tab, selected in ((None, "Error output"), ("Files", "Files")):
        await expect(page.locator("#panel-retry")).to_have_class("main")
        await page.get_by_role("button", name="Try again").click()
        await page.locator("#question").get_by_role("button", name="Try again").click()
        await expect(page.locator("#question")).to_be_hidden()
        if tab:
            await page.get_by_role("tab", name=tab, exact=True).click()
        await expect(page.locator("#panel-state")).to_contain_text("Failed")
        await expect(page.get_by_role("tab", selected=True)).to_have_text(selected)


@pytest.mark.parametrize("task", ["20200101T000000-a-txt-0123456789abcdef", ".", "..", "a%2Fb", "20200101T000000"])
async def test_an_address_of_no_task_says_so(dashboard, tab, task):
    await tab.page.goto(f"{dashboard.url}#task={task}")
    await expect(tab.page.locator("#panel-title")).to_have_text("No such task")
    await expect(tab.page.locator("#panel-problem")).to_contain_text("There is no task with this id.")


async def test_of_a_long_output_it_is_said_how_much_is_shown(dashboard, page):
    line = await dropped(dashboard, page, "quick/long.txt", b"0123456789\n" * 20_000)
    await expect(line).to_contain_text("Succeeded")
    await line.click()
    await expect(page.locator("#panel-output")).to_contain_text("the last 66 kB of 220 kB")


async def test_the_search_is_left_and_cleared_by_keyboard(dashboard, page):
    line = await dropped(dashboard, page, "quick/arrow.txt")
    await expect(line).to_contain_text("Succeeded")
    await found(page, "quick/arrow")
    await expect(page.locator("#rows tr")).to_have_count(1)
    await expect(page.locator("#kind")).to_be_visible()
    await page.locator("#search").press("ArrowDown")
    await expect(page.locator("button.open").first).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel-state")).to_contain_text("Succeeded")
    await page.locator("#search").press("Escape")
    await expect(page.locator("#search")).to_have_value("")
    await expect(page.locator("#kind")).to_be_hidden()
    await expect(page.locator("#panel")).to_be_visible()
    await page.locator("#search").press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()


async def test_the_keys_are_shown(dashboard, page):
    await page.keyboard.press("?")
    dialog = page.locator("#keys")
    await expect(dialog).to_contain_text("clears the search, closes the details")
    assert await serious_violations(page) == []
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await page.get_by_role("button", name="Keys", exact=True).click()
    await dialog.get_by_role("button", name="Close").click()
    await page.locator("#search").press("?")
    await expect(dialog).to_be_hidden()


async def test_the_filters_are_one_line_on_a_small_screen(dashboard, tab):
    page = tab.page
    await page.set_viewport_size({"width": 1280, "height": 800})
    await listed(page, {"task_id": "a", "blob": "a.txt"})
    await shown(dashboard, page, READABLE)
    for text in ("", "a"):
        await page.locator("#search").fill(text)
        await expect(page.locator("#kind")).to_be_visible(visible=bool(text))
        search, button = [await page.locator(part).bounding_box() for part in ("#search", "#many-open")]
        assert abs(search["y"] - button["y"]) < 4, json.dumps([search, button])
