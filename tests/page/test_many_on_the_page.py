"""What a person does on the dashboard to many files at once: pauses, and what is asked for of all that fit a filter."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect

from tests.page.test_tasks_on_the_page import dropped, found, row
from tests.page.test_the_page_itself import RICH, TASK, answering, serious_violations

SELECTION = {
    "selection_id": "79738869827410-0123456789ab",
    "action": "retry",
    "state": ["failed"],
    "day": "2026-11-30",
    "route": "a",
    "prefix": "<b>x",
    "asked_at": "2026-11-30T17:00:00Z",
    "asked_by": None,
    "done": 120,
    "refused": 0,
    "refusal": None,
    "finished_at": None,
}


@asynccontextmanager
async def resumed_at_last(dashboard, **what):
    """Whatever a test does: the next one's files do not wait."""
    try:
        yield
    finally:
        async with dashboard.system.http.post(f"{dashboard.system.url}/api/resume", json=what) as reply:
            assert reply.status == 200


async def answered(page, yes):
    """Say yes to the question that is open."""
    dialog = page.locator("#question")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("button", name=yes, exact=True).click()
    await expect(dialog).to_be_hidden()


async def test_a_route_is_paused_its_files_say_so_and_go_on_when_it_is_resumed(dashboard, page):
    async with resumed_at_last(dashboard, route="held"):
        await page.get_by_role("button", name="Pause route held").click()
        await expect(page.locator("#question")).to_contain_text("route held")
        await page.locator("#question").get_by_role("button", name="Not now").click()
        await expect(page.locator("#paused")).to_be_hidden()
        await page.get_by_role("button", name="Pause route held").click()
        await answered(page, "Pause")
        await expect(page.locator("#paused")).to_contain_text("Route held is paused since")
        line = await dropped(dashboard, page, "held/a.txt")
        await expect(line).to_contain_text("Queued: route held has been paused since")
        # Other routes go on.
        await expect(await dropped(dashboard, page, "quick/not-held.txt")).to_contain_text("Succeeded")
        await page.locator("#paused").get_by_role("button", name="Resume route held").click()
        await answered(page, "Resume")
        await expect(page.locator("#paused")).to_be_hidden()
        await expect(line).to_contain_text("Succeeded")


async def test_the_intake_is_paused_and_resumed(dashboard, page):
    async with resumed_at_last(dashboard):
        await page.get_by_role("button", name="Pause all").click()
        await answered(page, "Pause")
        await expect(page.locator("#paused")).to_contain_text("The intake is paused since")
        await expect(page.locator("#intake").get_by_text("All is paused")).to_have_count(1)
        line = await dropped(dashboard, page, "quick/while-all-is-paused.txt")
        await expect(line).to_contain_text("Queued: the intake has been paused since")
        await expect(page.locator("#count-queued")).to_have_text(re.compile("Queued1paused"))
        await page.get_by_role("button", name="Resume all").click()
        await answered(page, "Resume")
        await expect(line).to_contain_text("Succeeded")


async def test_a_pause_that_is_refused_says_why_and_changes_nothing(dashboard, page):
    async def refuse(route):
        await route.fulfill(status=409, json={"error": "which routes there are is not known"})

    await page.route(re.compile("/api/pause$"), refuse)
    await page.get_by_role("button", name="Pause all").click()
    dialog = page.locator("#question")
    await dialog.get_by_role("button", name="Pause", exact=True).click()
    await expect(dialog.locator(".problem")).to_have_text("Which routes there are is not known.")
    await page.keyboard.press("Escape")
    await expect(page.locator("#paused")).to_be_hidden()


async def test_all_that_fit_are_counted_and_tried_again(dashboard, page):
    for number in range(3):
        await dropped(dashboard, page, f"broken/many-{number}.txt")
    await found(page, "broken/many-")
    for number in range(3):
        await expect(row(page, f"broken/many-{number}.txt")).to_contain_text("Failed")
    await page.get_by_role("button", name="All of these…").click()
    dialog = page.locator("#many")
    await expect(dialog).to_contain_text("Files with a name that begins with broken/many-")
    # Nothing is chosen yet, and nothing is counted.
    await expect(dialog.get_by_label("What to do")).to_have_value("")
    await expect(dialog.locator("#many-count")).to_have_text("")
    await expect(dialog.locator("#many-yes")).to_be_disabled()
    # Nothing runs: there is nothing to cancel.
    await dialog.get_by_label("What to do").select_option("Cancel what has not ended")
    await expect(dialog.locator("#many-count")).to_contain_text("No task;")
    await expect(dialog.locator("#many-yes")).to_have_text("Cancel them")
    await expect(dialog.locator("#many-yes")).to_be_disabled()
    await dialog.get_by_label("What to do").select_option("Try what failed again")
    await expect(dialog.locator("#many-count")).to_have_text(
        "3 tasks; those that were tried again already are left out."
    )
    await page.keyboard.press("Escape")
    await expect(page.locator("#rows tr")).to_have_count(3)
    await page.locator("#state").select_option("failed")
    await page.get_by_role("button", name="All of these…").click()
    await expect(dialog).to_contain_text("Files in the state Failed, with a name that begins with broken/many-")
    await expect(dialog.get_by_label("What to do").locator("option")).to_have_text(["Try what failed again"])
    await dialog.get_by_role("button", name="Try 3 tasks again").click()
    await expect(dialog).to_be_hidden()
    await expect(page.locator("#selections")).to_contain_text("3 tasks tried again")
    await page.locator("#state").select_option("")
    await expect(page.locator("#rows tr")).to_have_count(6)
    await expect(page.locator("#rows").get_by_text("tried again", exact=True)).to_have_count(3)
    # What has been carried out is said for a while only.
    await expect(page.locator("#selections")).to_be_hidden()


async def test_all_that_have_not_ended_are_cancelled(dashboard, page):
    for number in range(2):
        line = await dropped(dashboard, page, f"endless/many-{number}.txt")
        await expect(line).to_contain_text(re.compile("Running|Waiting"))
    await found(page, "endless/many-")
    await page.get_by_role("button", name="All of these…").click()
    await page.get_by_label("What to do").select_option("Cancel what has not ended")
    await page.get_by_role("button", name="Cancel 2 tasks").click()
    await expect(page.locator("#selections")).to_contain_text("2 tasks cancelled")
    for number in range(2):
        await expect(row(page, f"endless/many-{number}.txt")).to_contain_text("Cancelled")


async def test_only_what_a_selection_can_say_can_be_selected(dashboard, page):
    await dropped(dashboard, page, "quick/one.txt")
    button = page.get_by_role("button", name="All of these…")
    await expect(button).to_be_visible()
    await found(page, "quick/one.txt")
    await page.locator("#kind").select_option("exact")
    await expect(page.locator("#rows tr")).to_have_count(1)
    await expect(button).to_be_hidden()


async def test_what_was_typed_just_before_counts(dashboard, page):
    await dropped(dashboard, page, "quick/typed.txt")
    await page.evaluate("""() => {
        const search = document.getElementById("search");
        search.value = "quick/typed";
        search.dispatchEvent(new Event("input"));
        document.getElementById("many-open").click();
    }""")
    await expect(page.locator("#many-which")).to_have_text("Files with a name that begins with quick/typed")


async def test_a_count_that_fails_says_why(dashboard, page):
    async def unavailable(route):
        await route.fulfill(status=503, json={"error": "the table does not answer"})

    await dropped(dashboard, page, "quick/not-counted.txt")
    await page.route(re.compile("/api/selections$"), unavailable)
    await page.get_by_role("button", name="All of these…").click()
    await page.get_by_label("What to do").select_option("Cancel what has not ended")
    await expect(page.locator("#many .problem")).to_have_text("The table does not answer.")
    await expect(page.locator("#many-yes")).to_be_disabled()


async def test_what_somebody_asked_for_is_followed_until_it_is_carried_out(dashboard, tab):
    page, reply = tab.page, {"selections": [SELECTION]}

    async def answer(route):
        await route.fulfill(content_type="application/json", body=json.dumps(reply))

    await page.route(re.compile("/api/selections$"), answer)
    await page.goto(dashboard.url)
    shown = page.locator("#selections")
    await expect(shown).to_contain_text(
        "Trying again, failed. Files with a name that begins with <b>x, of route a, of 2026-11-30: 120 tasks so far"
    )
    reply["selections"] = [
        {
            **SELECTION,
            "done": 200,
            "refused": 2,
            "refusal": "t: its file is gone",
            "finished_at": "2026-11-30T17:01:00Z",
        }
    ]
    await expect(shown).to_contain_text("200 tasks tried again; 2 tasks could not be: t: its file is gone")
    # One that had ended before the page was opened is none of its business.
    await page.reload()
    await page.locator("#freshness.fresh").wait_for()
    await expect(shown).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_in_what_is_done_to_many(dashboard, tab, scheme):
    page = tab.page
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await answering(page, "summary", {**RICH, "routes_problem": None})
    await answering(page, "selections", {"selections": [SELECTION]})
    await dashboard.system.drop(f"quick/axe-many-{scheme}.txt", b"a")
    await page.goto(dashboard.url)
    await expect(page.locator("#selections")).to_contain_text("Trying again")
    await expect(page.locator("#intake li")).to_have_count(3)
    assert await serious_violations(page) == []
    await page.get_by_role("button", name="All of these…").click()
    await expect(page.locator("#many-which")).to_be_visible()
    assert await serious_violations(page) == []
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Pause route b").click()
    assert await serious_violations(page) == []


async def test_many_routes_are_shown_when_somebody_asks(dashboard, tab):
    page = tab.page
    await answering(page, "summary", {**RICH, "routes": [f"route-{number}" for number in range(12)]})
    await page.goto(dashboard.url)
    rows = page.locator("#intake li")
    await expect(rows).to_have_count(8)
    await page.get_by_role("button", name="Show all 13 routes").click()
    await expect(rows).to_have_count(13)
    await page.get_by_role("button", name="Show fewer").click()
    await expect(rows).to_have_count(8)
    await page.get_by_role("button", name="route-3", exact=True).click()
    await expect(page.locator("#route")).to_have_value("route-3")


@asynccontextmanager
async def held(page, path, document=None, status=200):
    """Keep what is posted there waiting until this ends, and answer it then; yields what was posted, dry runs aside."""
    waiting, posted = asyncio.Event(), []

    async def answer(route):
        content = route.request.post_data_json if route.request.post_data else {}
        if route.request.method != "POST":
            await route.fulfill(json={"selections": []})
        elif content.get("dry_run"):
            await route.fulfill(json={"count": 7 if content["state"] == ["failed"] else 0, "is_all": True})
        else:
            posted.append(content)
            await waiting.wait()
            await route.fulfill(status=status, json=document)

    await page.route(re.compile(f"/api/{path}$"), answer)
    try:
        yield posted
    finally:
        waiting.set()


async def test_a_dialog_stays_while_its_request_is_under_way(dashboard, page):
    await dropped(dashboard, page, "quick/held.txt")
    dialog = page.locator("#many")
    async with held(page, "selections", SELECTION, status=202) as posted:
        await page.get_by_role("button", name="All of these…").click()
        await dialog.get_by_label("What to do").select_option("Try what failed again")
        await dialog.get_by_role("button", name="Try 7 tasks again").click()
        await expect(dialog.locator(".waiting")).to_contain_text("it goes on by itself")
        for control in ("#many-yes", "#many-what", "[data-close]"):
            await expect(dialog.locator(control)).to_be_disabled()
        await expect(page.locator("#many-title")).to_be_focused()
        for _ in range(3):
            await page.keyboard.press("Escape")
        await expect(dialog).to_be_visible()
        assert await serious_violations(page) == []
    await expect(dialog).to_be_hidden()
    await expect(page.locator("#selections")).to_contain_text("Trying again")
    assert [one["state"] for one in posted] == [["failed"]]
    # Another time it is as it was.
    await page.get_by_role("button", name="All of these…").click()
    await expect(dialog.get_by_label("What to do")).to_be_enabled()
    await expect(dialog.locator(".waiting")).to_be_hidden()
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog).to_be_hidden()


async def test_a_dialog_whose_request_fails_can_be_used_again(dashboard, page):
    async with held(page, "pause", {"error": "the table does not answer"}, status=503):
        await page.get_by_role("button", name="Pause all").click()
        dialog = page.locator("#question")
        yes = dialog.get_by_role("button", name="Pause", exact=True)
        await yes.click()
        await expect(dialog.get_by_role("button", name="Not now")).to_be_disabled()
    await expect(dialog.locator(".problem")).to_have_text("The table does not answer.")
    await expect(yes).to_be_focused()
    await expect(yes).to_be_enabled()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


async def note_announcements(page):
    """Have the page keep every announcement from now on: a later one takes the place of one that was just made."""
    await page.evaluate("""() => {
        window.announced = [];
        const place = document.getElementById("announcements");
        new MutationObserver(() => announced.push(place.textContent)).observe(place, { childList: true });
    }""")


@pytest.mark.parametrize("status", [202, 503])
async def test_a_late_reply_leaves_another_opening_alone(dashboard, page, status):
    """A browser may close a dialog though the page does not want that."""
    await dropped(dashboard, page, "quick/late.txt")
    await note_announcements(page)
    dialog = page.locator("#many")
    reply = SELECTION if status == 202 else {"error": "too late"}
    async with held(page, "selections", reply, status=status):
        await page.get_by_role("button", name="All of these…").click()
        await dialog.get_by_label("What to do").select_option("Try what failed again")
        await dialog.get_by_role("button", name="Try 7 tasks again").click()
        await expect(dialog.locator("#many-yes")).to_be_disabled()
        await dialog.evaluate("dialog => dialog.close()")
        await page.get_by_role("button", name="All of these…").click()
        await dialog.get_by_label("What to do").select_option("Cancel what has not ended")
        await expect(dialog.locator("#many-count")).to_contain_text("No task;")
    if status == 202:
        await expect(page.locator("#selections")).to_contain_text("Trying again")
    else:
        # Others may have been made since.
        await page.wait_for_function("() => announced.includes('Too late.')")
    await expect(dialog).to_be_visible()
    await expect(dialog.locator(".problem")).to_be_hidden()
    await expect(dialog.locator("#many-count")).to_contain_text("No task;")
    await expect(dialog.locator("#many-yes")).to_be_disabled()
    # The choice that is open is the one that counts.
    await dialog.get_by_label("What to do").select_option("Try what failed again")
    await expect(dialog.get_by_role("button", name="Try 7 tasks again")).to_be_enabled()


async def test_a_selection_whose_reply_does_not_come_is_looked_for(dashboard, tab):
    page = tab.page
    await page.add_init_script(
        "AbortSignal.timeout = wait => {"
        " const late = new AbortController();"
        " setTimeout(() => late.abort(new DOMException('late', 'TimeoutError')), wait / 60);"
        " return late.signal; };"
    )
    await page.goto(dashboard.url)
    await dropped(dashboard, page, "quick/no-reply.txt")
    dialog = page.locator("#many")
    async with held(page, "selections", SELECTION):
        await page.get_by_role("button", name="All of these…").click()
        await dialog.get_by_label("What to do").select_option("Try what failed again")
        async with page.expect_request(lambda one: one.url.endswith("/api/selections") and one.method == "GET"):
            await dialog.get_by_role("button", name="Try 7 tasks again").click()
        await expect(dialog.locator(".problem")).to_contain_text("what has begun goes on by itself")


async def test_the_focus_stays_where_a_message_was_closed(dashboard, tab):
    page, both = tab.page, [{**SELECTION, "selection_id": f"{number}-0123456789ab"} for number in (1, 2)]
    await page.clock.install()
    document = {"selections": both}
    await answering(page, "selections", document)
    await page.goto(dashboard.url)
    shown = page.locator("#selections")
    await expect(shown.locator(".line")).to_have_count(2)
    await page.unroute(re.compile(r"/api/selections(\?|$)"))
    ended = [{**one, "finished_at": "2026-11-30T17:01:00Z"} for one in both]
    await answering(page, "selections", {"selections": ended})
    await page.clock.run_for(4_000)
    close = shown.get_by_role("button", name="Close this message")
    await expect(close).to_have_count(2)
    await close.first.press("Enter")
    await expect(close).to_have_count(1)
    await expect(close).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(shown).to_be_hidden()
    await expect(page.locator("#search")).to_be_focused()


async def test_the_focus_stays_where_something_is_paused_and_resumed(dashboard, page):
    async with resumed_at_last(dashboard, route="held"):
        await page.get_by_role("button", name="Pause route held").press("Enter")
        await answered(page, "Pause")
        await expect(page.locator("#paused")).to_contain_text("Route held is paused")
        again = page.locator("#intake").get_by_role("button", name="Resume route held")
        await expect(again).to_be_focused()
        # A question that is left leads back, too.
        await again.press("Enter")
        await page.locator("#question").get_by_role("button", name="Keep paused").click()
        await expect(again).to_be_focused()
        await page.locator("#paused").get_by_role("button", name="Resume route held").press("Enter")
        await answered(page, "Resume")
        await expect(page.locator("#paused")).to_be_hidden()
        await expect(page.get_by_role("button", name="Pause route held")).to_be_focused()
        await page.get_by_role("button", name="Pause all").press("Enter")
        await answered(page, "Pause")
        await page.locator("#paused").get_by_role("button", name="Resume the intake").press("Enter")
        await answered(page, "Resume")
        await expect(page.locator("#paused")).to_be_hidden()
        await expect(page.get_by_role("button", name="Pause all")).to_be_focused()
    async with dashboard.system.http.post(f"{dashboard.system.url}/api/resume", json={}) as reply:
        assert reply.status == 200


async def test_a_question_leads_back_to_what_opened_it_though_figures_changed_meanwhile(dashboard, page):
    button = page.get_by_role("button", name="Pause route quick")
    await button.press("Enter")
    await button.evaluate("button => button.classList.add('old')")
    await dashboard.system.drop("quick/meanwhile.txt", b"a")
    await expect(page.locator("#intake .old")).to_have_count(0)
    await page.keyboard.press("Escape")
    await expect(page.locator("#question")).to_be_hidden()
    await expect(button).to_be_focused()


async def test_what_was_begun_elsewhere_is_shown_after_a_while(dashboard, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/api/")[2].partition("?")[0]))
    await answering(page, "selections", {"selections": [SELECTION]})
    await expect(page.locator("#selections")).to_contain_text("Trying again")
    # It looks seldom.
    before = asked[: asked.index("selections")]
    assert before.count("summary") >= 5


@pytest.mark.parametrize("status", [200, 404])
async def test_what_is_no_longer_listed_is_not_asked_for_without_end(dashboard, tab, status):
    page, reply, asked = tab.page, {"selections": [SELECTION]}, []

    async def answer(route):
        asked.append(route.request.url)
        await route.fulfill(json=reply)

    async def one(route):
        ended = {**SELECTION, "done": 200, "finished_at": "2026-11-30T17:01:00Z"}
        await route.fulfill(status=status, json=ended if status == 200 else {"error": "there is no such selection"})

    await page.route(re.compile("/api/selections$"), answer)
    await page.route(re.compile("/api/selections/"), one)
    await page.clock.install()
    await page.goto(dashboard.url)
    await note_announcements(page)
    shown = page.locator("#selections")
    await expect(shown).to_contain_text("Trying again")
    reply["selections"] = []
    await page.clock.run_for(4_000)
    if status == 200:
        await expect(shown).to_contain_text("200 tasks tried again")
    else:
        await expect(shown).to_be_hidden()
        # Others may have been made since.
        await page.wait_for_function("() => announced.some((text) => text.includes('no longer listed'))")
    count = len(asked)
    await page.clock.run_for(9_000)
    assert len(asked) == count


async def test_states_that_are_not_offered_together_are_kept(dashboard, tab):
    page = tab.page
    await answering(page, "tasks", {"tasks": [{**TASK, "task_id": "a", "blob": "a.txt"}], "continuation": None})
    await page.goto(f"{dashboard.url}#state=failed,output_lost")
    await expect(page.locator("#state")).to_have_value("failed,output_lost")
    await expect(page.locator("#state option:checked")).to_have_text("Failed or output lost")
    await page.get_by_role("button", name="All of these…").click()
    await expect(page.locator("#many-which")).to_have_text("Files in the state Failed or Output lost")
    await expect(page.locator("#many-what option")).to_have_text(
        ["Choose…", "Try what failed again", "Try again where the output was lost"]
    )
    await page.keyboard.press("Escape")
    assert "failed%2Coutput_lost" in page.url
