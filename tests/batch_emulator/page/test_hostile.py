"""What a task prints, what something is called, and other pages: it is text, and it moves nothing."""

import json
import re
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.control_client import control, faults
from tests.batch_emulator.page.test_page import opened, row, rules
from tests.batch_emulator.signed import send

HTML = '"><img src=//evil.example/x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)>{{7*7}}</pre>'
ADDRESS = "javascript:alert(1)"


async def run_file(batch, tmp_path, content, **options):
    """Run a task that prints this, and return its job and its id."""
    file = tmp_path / "content"
    file.write_bytes(content)
    job = await batch.job(await batch.ready_pool(1), display_name=HTML)
    await batch.run(job, f"/bin/cat {file}", task := new_id("hostile"), **options)
    return job, task


async def no_stranger(page):
    """Nothing that came with data has become an element."""
    assert (
        await page.locator("main").locator("img, script, svg, iframe, object, embed, a, link, form form").count() == 0
    )


async def test_names_and_output_that_are_html_are_text(url, batch, tab, page, tmp_path):
    job, task = await run_file(batch, tmp_path, HTML.encode(), display_name=HTML)
    rule = {"id": HTML, "operation": "*", "delay": 0, "answer": {"status": 500, "code": HTML, "message": HTML}}
    pool = await batch.ready_pool(1)
    body = {"code": "Own", "message": HTML}
    assert (await control(url, "POST", f"/pools/{pool}/nodes/any/makeunusable", body)).status == 204
    async with faults(url, {**rule, "operation": "list_pools"}):
        await opened(page, task)
        await expect(page.locator("#stdout pre")).to_have_text(HTML)
        await expect(page.locator("#panel-facts")).to_contain_text(HTML)
        await expect(page.locator("#jobs tr", has_text=job)).to_contain_text(HTML)
        await expect(page.locator(".pool", has_text=pool)).to_contain_text(f"Own: {HTML}")
        await expect(page.locator("#faults")).to_contain_text(HTML)
        await no_stranger(page)
    assert {urlsplit(one).netloc for one in tab.asked} == {urlsplit(url).netloc}


async def test_ids_that_no_client_can_choose_are_text_all_the_same(url, tab):
    page = tab.page

    async def answer(route):
        found = (await control(url, "GET", "/overview")).body
        task = {"jobId": HTML, "id": ADDRESS, "state": HTML, "result": HTML, "exitCode": 1, "failure": HTML}
        task |= {"nodeId": HTML, "created": HTML, "started": HTML, "ended": HTML}
        node = {"id": HTML, "state": HTML, "schedulingState": "disabled", "isDedicated": False, "since": HTML}
        node |= {"errors": [{"code": HTML, "message": HTML}], "slots": 1, "running": 1, "tasks": [task]}
        pool = {"id": HTML, "displayName": HTML, "state": HTML, "allocationState": HTML, "vmSize": HTML}
        pool |= {"taskSlotsPerNode": 1, "targetDedicatedNodes": 1, "targetLowPriorityNodes": 0, "nodes": [node]}
        pool |= {"enableAutoScale": False, "resizeErrors": node["errors"], "states": {HTML: 2}}
        job = {"id": HTML, "displayName": HTML, "state": HTML, "poolId": HTML, "priority": 0}
        job |= {"tasks": {"active": 0, "running": 0, "succeeded": 0, "failed": 0}}
        for kind, one in (("pools", pool), ("jobs", job), ("tasks", task)):
            found[kind] = {"total": 1, "fitting": 1, "rows": [one]}
        found |= {"account": HTML, "version": HTML, "quotas": {HTML: 1}}
        await route.fulfill(status=200, content_type="application/json", body=json.dumps(found))

    await page.route(re.compile("/_emulator/overview"), answer)
    await page.goto(f"{url}/_emulator/")
    await expect(row(page, ADDRESS)).to_contain_text(HTML)
    for part in ("#where", "#quotas", "#jobs", ".pool"):
        await expect(page.locator(part)).to_contain_text(HTML)
    await page.locator("#jobs").get_by_role("button").click()
    await expect(page.locator("#job")).to_contain_text(HTML)
    await row(page, ADDRESS).get_by_role("button").click()
    await expect(page.locator("#panel-problem")).to_contain_text("does not exist")
    await no_stranger(page)


async def test_what_moves_a_cursor_or_turns_a_line_is_shown_as_an_escape(batch, page, tmp_path):
    content = "\x1b[2J\x1b]8;;https://evil.example\x07link\r\nup\x00\x7f\u202egnp.exe\u2066\u2028\ttab\x9b31m"
    _, task = await run_file(batch, tmp_path, content.encode())
    await opened(page, task)
    shown = r"\x1b[2J\x1b]8;;https://evil.example\x07link" + "\n" + r"up\x00\x7f\u202egnp.exe\u2066\u2028"
    assert await page.locator("#stdout pre").text_content() == f"{shown}\ttab\\x9b31m"


async def test_of_a_large_and_binary_output_both_ends_are_shown_with_its_size(batch, page, tmp_path):
    content = b"begin" + bytes(range(256)) * 8_000 + b"end"
    _, task = await run_file(batch, tmp_path, content)
    await opened(page, task)
    await expect(page.locator("#stdout-size")).to_have_text("2.0 MB")
    begin, end = page.get_by_label("Beginning of stdout"), page.get_by_label("End of stdout")
    await expect(begin).to_have_text(re.compile(r"^begin\\x00"))
    await expect(end).to_have_text(re.compile("end$"))
    await expect(page.locator("#stdout .gap")).to_have_text(re.compile("2.0 MB in between are left out"))
    assert len(await begin.text_content()) + len(await end.text_content()) < 64 * 1024 * 4


@asynccontextmanager
async def another_site(html):
    """Serve a page on another port of this machine; yield its address by the name of the emulator's own."""

    async def answer(request):
        return web.Response(text=html, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}/"


ATTACK = """<body><form id="form" action="{url}/_emulator/faults" method="post" enctype="text/plain" target="frame">
<input name='{{"operation":"*","cut":true,"x":"' value='"}}'></form>
<iframe name="frame"></iframe><iframe id="page" src="{url}/_emulator/"></iframe>
<script>
const rule = JSON.stringify({{ id: "evil", operation: "list_pools", delay: 0 }});
const all = [
  ...["cors", "no-cors"].flatMap((mode) => [
    fetch("{url}/_emulator/faults", {{ method: "POST", body: rule, mode }}),
    fetch("{url}/_emulator/reset", {{ method: "POST", mode }}),
    fetch("{url}/_emulator/overview", {{ mode }}).then((answer) => answer.text()),
  ]),
  new Promise((resolve) => {{
    const script = document.createElement("script");
    script.src = "{url}/_emulator/page/page.js";
    script.onload = () => resolve("loaded");
    script.onerror = () => resolve("");
    document.body.append(script);
  }}),
];
form.submit();
Promise.allSettled(all).then((results) => {{
  const got = results.map((one) => (typeof one.value === "string" ? one.value : "")).join("");
  document.body.append(Object.assign(document.createElement("p"), {{ id: "done", textContent: `got:${{got}}` }}));
}});
</script>"""


async def test_a_page_on_another_port_can_neither_act_read_nor_embed(url, batch, context):
    job = await batch.job("no-such-pool")
    async with another_site(ATTACK.format(url=url)) as address:
        page = await context.new_page()
        await page.goto(address)
        assert await page.locator("#done").text_content() == "got:"
        assert await page.frame_locator("#page").locator("main").count() == 0
        # By another name of this machine that leads to the same emulator it is another origin, too.
        port = urlsplit(url).port
        refused = await page.evaluate(
            "url => fetch(url, { method: 'POST' }).then(() => 'answered', () => 'refused')",
            f"http://localhost:{port}/_emulator/reset",
        )
        assert refused == "refused"
    assert await rules(url) == []
    assert (await batch.client.get_job(job)).state == "active"


@pytest.mark.parametrize("name", ["evil.html", "evil.svg"])
async def test_a_file_of_a_task_that_a_browser_shows_can_do_nothing_to_the_page(url, batch, context, tmp_path, name):
    """No browser has a key; this one has something that signs for it, and shows the file as the emulator sends it."""
    attack = "fetch('/_emulator/faults',{method:'POST',body:'{\"operation\":\"*\",\"cut\":true}'});document.title='ran'"
    file = tmp_path / name
    file.write_text(f'<svg xmlns="http://www.w3.org/2000/svg"><title>as it was</title><script>{attack}</script></svg>')
    job = await batch.job(await batch.ready_pool(1))
    await batch.run(job, f"/bin/cp {file} .")
    path = f"/jobs/{job}/tasks/task/files/wd%2F{name}"
    page, said = await context.new_page(), []
    page.on("console", lambda message: said.append(message.text))

    async def sign(route):
        answer = await send(url, "GET", path)
        await route.fulfill(status=answer.status, headers=dict(answer.headers), body=answer.body)

    await page.route(re.compile("/files/wd"), sign)
    await page.goto(f"{url}{path}")

    async def blocked():
        return any("Blocked script execution" in text or "Content Security Policy" in text for text in said)

    await until(blocked)
    assert await page.evaluate("[self.origin, document.title === 'ran']") == ["null", False]
    assert await rules(url) == []


async def test_the_page_itself_would_run_nothing_that_came_as_text(page, tab):
    tried = await page.evaluate(
        """() => [
          () => (document.body.innerHTML = "<b>x</b>"),
          () => (document.createElement("script").text = "1"),
          () => trustedTypes.createPolicy("any", {}),
        ].map((act) => { try { act(); return "done"; } catch { return "refused"; } })"""
    )
    assert tried == ["refused"] * 3
    # These were the complaints about what was tried.
    tab.complaints.clear()
