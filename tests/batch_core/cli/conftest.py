"""The program, run as people do but in this process, whose SDKs are imported."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from unittest import mock

import pytest

from batch_core.cli.command_line import main


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def documents(self) -> list[dict]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def batchdrop(monkeypatch, capsysbinary, environment, batch_endpoint, tmp_path):
    """Run a command on the services of `app`, with settings from the environment."""

    async def run(*arguments, **settings) -> Ended:
        capsysbinary.readouterr()
        values = environment | {"BATCH_ENDPOINT": batch_endpoint} | settings
        with monkeypatch.context() as patch, mock.patch.dict(os.environ, values, clear=True):
            patch.setattr(sys, "argv", ["batchdrop", *map(str, arguments)])
            patch.chdir(tmp_path)
            try:
                # It brings an event loop of its own.
                code = await asyncio.to_thread(main)
            except SystemExit as exc:
                code = exc.code
        out, err = capsysbinary.readouterr()
        return Ended(code, out, err.decode())

    return run
