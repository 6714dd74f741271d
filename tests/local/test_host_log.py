"""The host's log has one line for one event, whatever a name or a text holds."""

import logging

import aiohttp
import pytest
from yarl import URL

from local.host.invoker import _one_line
from local.host.logs import LineFormatter
from tests.local.hosts import eventually


@pytest.mark.parametrize("encoded", ["%0d", "%1b%5b2J", "%c2%85", "%e2%80%a8"])
async def test_a_path_makes_no_line_of_its_own(running_host, encoded):
    url = URL(f"{running_host.url}/api/echo/before{encoded}forged/1", encoded=True)
    async with aiohttp.ClientSession() as http, http.post(url, data=b"x") as response:
        await response.read()

    def lines():
        text = running_host.process.log.read_text()
        return [line for line in text.splitlines() if "forged" in line]

    assert await eventually(lines)
    assert all("before\\" in line for line in lines())
    assert "\x1b" not in running_host.process.log.read_text()


def test_every_further_line_is_indented_those_of_an_exception_too():
    exc = ValueError("first\nforged\rforged\x1b[2J")
    record = logging.LogRecord("mine", logging.ERROR, "x", 1, "Said\nmore\rforged", None, (ValueError, exc, None))
    _, *further = LineFormatter().format(record).splitlines()
    assert further == ["    more\\rforged", "    ValueError: first", r"    forged\rforged\x1b[2J"]


def test_the_reason_of_a_call_is_one_line():
    assert _one_line("GET /a\nforged") == "GET /a\\nforged"
