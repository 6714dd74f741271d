"""What a person does with tasks on the dashboard, in a real browser before a real system."""

import re

import pytest
from playwright.async_api import expect

HOSTILE = "quick/<img src=x onerror=alert(1)>.txt"
RIGHT_TO_LEFT = "quick/\u202egnp.exe-\u05e9\u05dc\u05d5\u05dd.txt"


def row(page, name):
    return page.locator("#rows tr").filter(has=page.get_by_text(name, exact=True))


async def dropped(dashboard, page, name, content=b"hello\n"):
    """Drop a file and wait until the page shows it; returns its row."""
    await dashboard.system.drop(name, content)
    await expect(row(page, name)).to_have_count(1)
    return row(page, name)


async def found(page, text):
    await page.locator("#search").fill(text)
    await expect(page.locator("#tasks")).not_to_have_class(re.compile("loading"))


async def test_a_file_appears_and_goes_through_its_states(dashboard, page):
    line = await dropped(dashboard, page, "gated/a.txt", b"the content\n")
    await expect(line).to_contain_text("Running")
    await expect(page.locator("#count-submitted b")).to_have_text("1")
    await expect(page.locator(".node i.taken")).to_have_count(1)
    await line.click()
    # What it prints is read while it runs, and goes on where it was.
    output = page.locator("pre.output")
    await expect(output).to_have_text("begun\n")
    await expect(page.locator("#panel-output")).to_contain_text("following")
    dashboard.open_gate()
    await expect(output).to_have_text("begun\nthe content\n")
    await expect(line).to_contain_text("Succeeded")
    await expect(line).to_contain_text("printed 18 bytes")
    await expect(page.locator("#panel-state")).to_contain_text("Succeeded")
    await expect(page.locator("#count-submitted b")).to_have_text("0")


async def test_the_table_is_filtered_and_searched(dashboard, page):
    await dropped(dashboard, page, "broken/one.txt")
    await dropped(dashboard, page, "quick/two.txt")
    await expect(row(page, "quick/two.txt")).to_contain_text("Succeeded")
    await expect(row(page, "broken/one.txt")).to_contain_text("exit code 3")
    await page.locator("#count-failed").click()
    await expect(row(page, "quick/two.txt")).to_have_count(0)
    await expect(row(page, "broken/one.txt")).to_have_count(1)
    await expect(page.locator("#count-failed")).to_have_attribute("aria-pressed", "true")
    await page.locator("#count-failed").click()
    await expect(row(page, "quick/two.txt")).to_have_count(1)
    await page.locator("#route").select_option("quick")
    await expect(row(page, "broken/one.txt")).to_have_count(0)
    await page.locator("#route").select_option("")
    await found(page, "quick/tw")
    await expect(page.locator("#rows tr")).to_have_count(1)
    await page.locator("#kind").select_option("exact")
    await expect(page.locator("#no-match")).to_contain_text("No task matches")
    await page.get_by_role("button", name="Show all tasks").click()
    await expect(row(page, "quick/two.txt")).to_have_count(1)
    task_id = await row(page, "quick/two.txt").get_attribute("data-id")
    await found(page, task_id)
    await expect(page.locator("#rows tr")).to_have_count(1)
    await found(page, "20200101T000000-a-txt-0123456789abcdef")
    await expect(page.locator("#no-match")).to_contain_text("no task with this id")


async def test_details_have_the_errors_the_files_and_the_whole_record(dashboard, page):
    await (await dropped(dashboard, page, "broken/details.txt")).click()
    await expect(page.locator("#panel-state")).to_contain_text("Failed")
    await page.get_by_role("tab", name="Error output").click()
    await expect(page.locator("pre.output")).to_have_text("cannot read the header\n")
    await page.get_by_role("tab", name="Record").click()
    _, record = await dashboard.system.get(f"tasks/{await page.locator('#panel-id').text_content()}")
    assert await page.locator("#panel-record dt").all_text_contents() == list(record)
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()


async def test_a_file_that_a_command_made_is_saved(dashboard, page):
    line = await dropped(dashboard, page, "quick/saved.txt")
    await expect(line).to_contain_text("made files")
    await line.click()
    await page.get_by_role("tab", name="Files").click()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="made.txt").click()
    saved = await download.value
    assert (saved.suggested_filename, (await saved.path()).read_text()) == ("made.txt", "made\n")


async def test_an_address_leads_to_a_task_and_a_filter(dashboard, page):
    await (await dropped(dashboard, page, "quick/linked.txt")).click()
    await page.locator("#state").select_option("succeeded")
    address = page.url
    assert "#" in address
    await page.reload()
    await expect(page.locator("#panel-title")).to_have_text("quick/linked.txt")
    await expect(page.locator("#state")).to_have_value("succeeded")


async def test_cancelling_asks_first(dashboard, page):
    line = await dropped(dashboard, page, "endless/a.txt")
    await expect(line).to_contain_text("Running")
    await line.click()
    dialog = page.locator("#question")
    await page.get_by_role("button", name="Cancel the task").click()
    await expect(dialog).to_contain_text("endless/a.txt")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    # Escape closed the dialog, and not the panel below it.
    await expect(page.locator("#panel-state")).to_contain_text("Running")
    await page.get_by_role("button", name="Cancel the task").click()
    await dialog.get_by_role("button", name="Cancel the task").click()
    await expect(dialog).to_be_hidden()
    await expect(page.locator("#panel-state")).to_contain_text("Cancelled")
    await expect(line).to_contain_text("Cancelled")


async def test_retrying_asks_first_and_shows_the_new_attempt(dashboard, page):
    await dropped(dashboard, page, "broken/again.txt")
    await expect(row(page, "broken/again.txt")).to_contain_text("Failed")
    await row(page, "broken/again.txt").click()
    await page.get_by_role("button", name="Try again").click()
    await page.locator("#question").get_by_role("button", name="Try again").click()
    await expect(page.locator("#panel-id")).to_contain_text("-r2")
    await expect(page.locator("#panel-facts")).to_contain_text("2 · the one before")
    await expect(row(page, "broken/again.txt")).to_have_count(2)
    await page.get_by_role("button", name="the one before").click()
    await expect(page.locator("#panel-id")).not_to_contain_text("-r2")


async def test_a_file_is_submitted_by_name_and_by_a_route(dashboard, page):
    await dropped(dashboard, page, "other/by-hand.txt")
    await expect(row(page, "other/by-hand.txt")).to_contain_text("Rejected: no route")
    await dropped(dashboard, page, "quick/so-that-the-route-is-known.txt")
    await page.locator('#route option[value="quick"]').wait_for(state="attached")
    await page.get_by_role("button", name="Submit a file").click()
    dialog = page.locator("#submit")
    await dialog.get_by_label("Its name").fill("other/not there.txt")
    await dialog.get_by_role("button", name="Submit it").click()
    await expect(dialog.locator(".problem")).to_contain_text("no blob")
    await dialog.get_by_label("Its name").fill("other/by-hand.txt")
    await dialog.get_by_label("Route").select_option("quick")
    await dialog.get_by_label("Run it again").check()
    await dialog.get_by_role("button", name="Submit it").click()
    await expect(page.locator("#panel-title")).to_have_text("other/by-hand.txt")
    await expect(page.locator("#panel-facts")).to_contain_text("quick")


@pytest.mark.parametrize("name", [HOSTILE, RIGHT_TO_LEFT])
async def test_names_and_output_are_text_whatever_they_hold(dashboard, page, name):
    content = b"<script>alert(2)</script><img src=x onerror=alert(3)>\n"
    line = await dropped(dashboard, page, name, content)
    await expect(line.locator("bdi.name")).to_have_text(name)
    await line.click()
    await expect(page.locator("#panel-title bdi")).to_have_text(name)
    await expect(page.locator("pre.output")).to_have_text(content.decode())
    await page.get_by_role("tab", name="Record").click()
    await expect(page.locator("#panel-record")).to_contain_text(name)
    assert await page.locator("main img, main script").count() == 0


async def test_blanks_belong_to_a_name_and_not_to_a_task_id(dashboard, page):
    for name in ("quick/b /a.txt", "quick/b/c.txt", "quick/ends in a blank "):
        await dashboard.system.drop(name, b"a")
    await expect(page.locator("#rows tr").filter(has_text=re.compile("quick/b|quick/ends"))).to_have_count(3)
    await found(page, "quick/b ")
    await expect(page.locator("#rows tr")).to_have_count(1)
    await expect(page.locator("#rows")).to_contain_text("quick/b /a.txt")
    await page.get_by_role("button", name="All of these…").click()
    assert await page.locator("#many-which .name").text_content() == "quick/b "
    async with page.expect_request(lambda one: one.url.endswith("/api/selections") and one.method == "POST") as asked:
        await page.get_by_label("What to do").select_option("Run what succeeded again")
    assert (await asked.value).post_data_json["prefix"] == "quick/b "
    await page.keyboard.press("Escape")
    await found(page, "quick/ends in a blank ")
    await page.locator("#kind").select_option("exact")
    await expect(page.locator("#rows tr")).to_have_count(1)
    await page.reload()
    await expect(page.locator("#rows tr")).to_have_count(1)
    await expect(page.locator("#search")).to_have_value("quick/ends in a blank ")
    task_id = await page.locator("#rows tr").get_attribute("data-id")
    await found(page, f" {task_id} ")
    await expect(page.locator("#rows tr")).to_have_count(1)
