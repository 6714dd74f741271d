"""What a person sees and does on the page, with a mouse, a keyboard and a screen reader."""

import re
from collections import Counter
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.batch_emulator.conftest import new_id
from tests.batch_emulator.control_client import control, faults
from tests.batch_emulator.signed import send

AXE = Path(__file__).parents[3] / "node_modules/axe-core/axe.min.js"
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


async def rules(url):
    return [rule["id"] for rule in (await control(url, "GET", "/faults")).body["faults"]]


def row(page, name):
    return page.locator("#tasks tr").filter(has=page.get_by_role("button", name=name, exact=True))


async def opened(page, name):
    await row(page, name).get_by_role("button").click()
    await page.locator("#panel-body").wait_for()


async def serious_violations(page):
    await page.evaluate(f"{AXE.read_text()}\n;null")
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        (one["id"], [node["html"][:150] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


async def test_a_task_is_followed_from_its_node_to_its_end(url, batch, page, tmp_path):
    pool = await batch.ready_pool(1)
    job = await batch.job(pool, display_name="Own words")
    gate = tmp_path / "gate"
    command = f"/bin/sh -c 'echo begun; while [ ! -e {gate} ]; do sleep 0.05; done; echo why >&2; exit 3'"
    await batch.task(job, command, "followed")
    await batch.state(job, "running", "followed")
    shown = page.locator(".pool", has_text=pool)
    await expect(shown).to_contain_text("1 node, target 1 dedicated, 0 spot")
    await expect(shown.locator("tbody tr")).to_contain_text("1/1 slots: followed")
    await expect(page.locator("#jobs tr", has_text=job)).to_contain_text("Own words")
    await expect(row(page, "followed")).to_contain_text("Running")
    await shown.get_by_role("button", name="followed").click()
    await expect(page.locator("#panel-title")).to_have_text("followed")
    await expect(page.locator("#stdout pre")).to_have_text("begun\n")
    await expect(page.locator("#stderr")).to_have_text("Nothing printed yet.")
    gate.touch()
    await expect(page.locator("#stderr pre")).to_have_text("why\n")
    await expect(page.locator("#panel-facts")).to_contain_text("Exit code3")
    await expect(page.locator("#panel-facts")).to_contain_text("FailureExitCode: The task exited with an exit code")
    await expect(row(page, "followed")).to_contain_text("exit code 3")
    await expect(shown.locator("tbody tr")).to_contain_text("idle")
    await batch.client.delete_task(job, "followed")
    await expect(page.locator("#panel-problem")).to_contain_text("does not exist. It may have been deleted.")


@pytest.mark.parametrize(
    ("name", "ids", "said"),
    [
        ("503 on adding tasks", ["page-503-create_task", "page-503-create_task_collection"], "503 ServerBusy"),
        ("429 to half of all requests", ["page-429"], "every operation: 429 TooManyRequests, retry after 1 s, 50%"),
        ("Cut every fifth connection or so", ["page-cut"], "the connection is cut, 20% of them"),
        ("Lose every fifth answer or so", ["page-lost"], "carried out, the answer is lost, 20% of them"),
        ("Answer two seconds late", ["page-late"], "every operation: 2 s late"),
    ],
)
async def test_a_fault_is_switched_on_and_off_by_one_click(url, page, name, ids, said):
    switch = page.get_by_role("switch", name=name)
    await expect(switch).not_to_be_checked()
    await switch.click()
    await expect(switch).to_be_checked()
    assert await rules(url) == ids
    await expect(page.locator("#faults")).to_contain_text(said)
    await switch.click()
    await expect(switch).not_to_be_checked()
    assert await rules(url) == []


async def test_rules_are_removed_one_by_one_or_all_together(url, page):
    odd = 'a/b?c#d%20"<i>'
    rule = {"id": odd, "method": "POST", "path": "/jobs", "times": 3, "answer": {"status": 503}}
    async with faults(url, rule, *({"operation": "get_job", "delay": 1} for _ in range(3))):
        shown = page.locator("#faults li")
        await expect(shown).to_have_count(4)
        await expect(shown.first).to_contain_text(odd)
        await expect(shown.first).to_contain_text("POST /jobs…: 503 ServerBusy")
        assert (await send(url, "POST", "/jobs", body={})).status == 503
        await expect(shown.first).to_contain_text("struck 1 of 3 times, 1 matched")
        await shown.first.get_by_role("button").click()
        await expect(shown).to_have_count(3)
        assert odd not in await rules(url)
        await page.get_by_role("button", name="Remove all").click()
        await expect(shown).to_have_count(0)
        await expect(page.get_by_role("button", name="Remove all")).to_be_hidden()
        assert await rules(url) == []


async def test_a_click_that_is_refused_says_so_until_another_one_is_not(url, page):
    switch = page.get_by_role("switch", name="Answer two seconds late")
    await page.route("**/_emulator/faults", lambda route: route.fulfill(status=400, json={"problems": ["no <i>rule"]}))
    await switch.click()
    await expect(page.locator("#trouble")).to_have_text("This was not done: no <i>rule")
    async with page.expect_response(re.compile("/overview")):
        pass
    await expect(page.locator("#trouble")).to_be_visible()
    await page.unroute("**/_emulator/faults")
    await switch.click()
    await expect(switch).to_be_checked()
    await expect(page.locator("#trouble")).to_be_hidden()
    assert (await control(url, "DELETE", "/faults")).status == 204


async def test_quotas_are_shown(url, page):
    await expect(page.get_by_text("No limits.")).to_be_visible()
    await control(url, "PUT", "/quotas", {"pools": 20, "tasksPerSecond": 2.5})
    await expect(page.locator("#quotas")).to_have_text("Pools20Tasks a second2.5")
    await control(url, "PUT", "/quotas", {})
    await expect(page.get_by_text("No limits.")).to_be_visible()


async def test_nodes_are_lost_preempted_and_recover_if_that_is_confirmed(url, batch, page):
    pool = await batch.ready_pool(1)
    shown = page.locator(".pool", has_text=pool)
    lose = shown.get_by_role("button", name="Lose node")
    await lose.click()
    dialog = page.locator("#question")
    await expect(dialog).to_contain_text(re.compile(r"Lose this node\?\s+tvmps_"))
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(lose).to_be_focused()
    await lose.click()
    await dialog.get_by_role("button", name="Lose it").click()
    await expect(dialog).to_be_hidden()
    await expect(shown).to_contain_text("0 nodes")
    body = {"targetDedicatedNodes": 0, "targetLowPriorityNodes": 1}
    assert (await send(url, "POST", f"/pools/{pool}/resize", body=body)).status == 202
    await expect(shown.locator("tbody tr")).to_contain_text("idle")
    await shown.get_by_role("button", name="Preempt node").click()
    await dialog.get_by_role("button", name="Preempt it").click()
    await expect(shown.locator("tbody tr")).to_contain_text("preempted")
    await shown.get_by_role("button", name="Recover node").click()
    await expect(shown.locator("tbody tr")).to_contain_text("idle")


async def test_what_cannot_be_done_is_said_where_it_was_asked_for(batch, page):
    pool = await batch.ready_pool(1)
    await page.get_by_role("button", name="Reset…").click()
    await page.route(
        "**/_emulator/reset", lambda route: route.fulfill(status=503, json={"problems": ["it is <b>busy"]})
    )
    dialog = page.locator("#question")
    await dialog.get_by_role("button", name="Reset it").click()
    await expect(page.locator("#question-problem")).to_have_text("it is <b>busy")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(page.locator(".pool", has_text=pool)).to_be_visible()


async def test_a_reset_leaves_nothing(url, batch, page):
    await batch.task(await batch.job("no-such-pool"), "true", "forgotten")
    await control(url, "POST", "/faults", {"operation": "get_job", "delay": 1})
    await expect(row(page, "forgotten")).to_be_visible()
    await page.get_by_role("button", name="Reset…").click()
    await page.get_by_role("button", name="Reset it").click()
    await expect(page.locator("#tasks-end")).to_have_text("No task yet.")
    await expect(page.locator("#jobs-end")).to_have_text("No job yet.")
    await expect(page.locator("#pools-end")).to_contain_text("No pool yet")
    assert await rules(url) == []
    assert await serious_violations(page) == []


async def test_ten_thousand_tasks_are_found_in(url, batch, page):
    job = await batch.job("no-such-pool")
    for start in range(0, 10_000, 100):
        tasks = [{"id": f"many-{no:05}", "commandLine": "true"} for no in range(start, start + 100)]
        assert (await send(url, "POST", f"/jobs/{job}/addtaskcollection", body={"value": tasks})).status == 200
    lines = page.locator("#tasks tr")
    await expect(lines).to_have_count(100)
    await expect(lines.first).to_contain_text("many-09999")
    await page.get_by_role("button", name="Show more").click()
    await expect(lines).to_have_count(500)
    await expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    await page.locator("#tasks-find").fill("y-00007")
    await expect(lines).to_have_count(1)
    await expect(page.locator("#tasks-count")).to_have_text(re.compile(r"^1 of 10,\d\d\d$"))
    await page.locator("#tasks-find").fill("")
    await page.locator("#jobs tr", has_text=job).get_by_role("button").click()
    await expect(page.locator("#tasks-count")).to_have_text(re.compile(r"^10,000 of 10,\d\d\d$"))
    await page.locator("#state").select_option("Failed")
    await expect(page.locator("#tasks-end")).to_have_text("None fits.")
    await page.get_by_role("button", name=f"Job {job} ✕").click()
    await page.locator("#state").select_option("Any state")
    await expect(lines).to_have_count(100)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(url, batch, tab, scheme):
    page = tab.page
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    pool = await batch.ready_pool(2)
    job = await batch.job(pool)
    await batch.run(job, "/bin/sh -c 'head -c 100000 /dev/zero; exit 3'", task := new_id("axe"))
    assert (await control(url, "POST", f"/pools/{pool}/nodes/any/makeunusable")).status == 204
    async with faults(url, {"id": "page-late", "operation": "*", "delay": 0.01}):
        await page.goto(f"{url}/_emulator/")
        await opened(page, task)
        await expect(page.locator("#stdout pre")).to_have_count(2)
        assert await serious_violations(page) == []
        await page.get_by_role("button", name="Lose node").first.click()
        assert await serious_violations(page) == []


async def test_everything_is_reached_by_keyboard(batch, page):
    job = await batch.job("no-such-pool")
    for name in ("keys-1", "keys-2"):
        await batch.task(job, "true", name)
    await page.keyboard.press("/")
    await expect(page.locator("#tasks-find")).to_be_focused()
    await page.keyboard.type("keys-")
    buttons = page.locator("#tasks button.open")
    await expect(buttons).to_have_text(["keys-2", "keys-1"])
    await page.keyboard.press("ArrowDown")
    await expect(buttons.first).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(buttons.last).to_be_focused()
    # What is added meanwhile takes the focus away from nobody.
    await batch.task(job, "true", "keys-3")
    await expect(buttons).to_have_count(3)
    await expect(buttons.last).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel-title")).to_be_focused()
    await expect(page.locator("#panel-title")).to_have_text("keys-1")
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(buttons.last).to_be_focused()
    switch = page.get_by_role("switch", name="Answer two seconds late")
    for checked in ("true", "false"):
        await switch.focus()
        await page.keyboard.press("Space")
        await expect(switch).to_have_attribute("aria-checked", checked)
        await expect(switch).to_be_focused()


async def test_it_asks_only_while_somebody_looks(url, tab):
    page, asked = tab.page, Counter()

    async def count(route):
        asked["overview"] += 1
        await route.continue_()

    await page.clock.install()
    await page.route(re.compile("/_emulator/overview"), count)
    await page.goto(f"{url}/_emulator/")
    await page.locator("#freshness.fresh").wait_for()
    before = asked["overview"]
    async with page.expect_response(re.compile("/overview")):
        await page.clock.run_for(2_100)
    assert asked["overview"] == before + 1
    await page.evaluate(HIDE, True)
    await page.clock.run_for(60_000)
    assert asked["overview"] == before + 1
    async with page.expect_response(re.compile("/overview")):
        await page.evaluate(HIDE, False)
    assert asked["overview"] == before + 2


async def test_it_says_when_it_gets_no_answer_and_goes_on_when_it_does(page):
    await page.route("**/_emulator/overview*", lambda route: route.abort())
    await expect(page.locator("#trouble")).to_have_text("What is shown is not up to date: the emulator does not answer")
    await expect(page.locator("#freshness")).to_have_text("Not up to date")
    await page.unroute("**/_emulator/overview*")
    await expect(page.locator("#freshness")).to_have_text("Up to date")
    await expect(page.locator("#trouble")).to_be_hidden()


async def test_a_small_screen_scrolls_down_only(batch, page):
    await page.set_viewport_size({"width": 390, "height": 844})
    pool = await batch.ready_pool(1)
    await batch.run(await batch.job(pool), "/bin/sh -c 'printf %0300d 1'", "x" * 64)
    await expect(row(page, "x" * 64)).to_contain_text("Succeeded")
    for step in (None, opened):
        if step:
            await step(page, "x" * 64)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
