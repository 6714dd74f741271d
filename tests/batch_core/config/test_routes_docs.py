"""What is said about the words of `routes.toml` elsewhere is what the reader of the file says itself."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from batch_core.config.route_tables import PoolTable, RouteTable
from batch_core.config.routes_file import json_schema, read_routes
from batch_core.config.settings import Settings
from batch_core.services import verbatim

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs/routes.md").read_text()
SETTINGS = Settings.from_env(json.loads((ROOT / "local.settings.json.example").read_text())["Values"])


def test_the_schema_for_editors_is_the_readers():
    """`python -m batch_core routes schema > docs/routes.schema.json` writes it."""
    assert json.loads((ROOT / "docs/routes.schema.json").read_text()) == json_schema()


def test_the_docs_explain_every_word_of_a_route_and_a_pool_in_its_order():
    words = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", DOCS, re.MULTILINE)
    assert words == [*RouteTable.__struct_fields__, *PoolTable.__struct_fields__]


@pytest.mark.parametrize("name", ["example", "docs", "resources"])
def test_what_is_shown_can_be_used(tmp_path, name):
    blocks = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    text = {"example": (ROOT / "routes.toml.example").read_text(), "docs": blocks[0], "resources": blocks[1]}[name]
    file = tmp_path / "routes.toml"
    file.write_text(text)
    found = read_routes(file, SETTINGS, {"THUMBNAIL_TOKEN": "x", "TOOLS_SAS": "x"}, verbatim.problems)
    assert len(found.routes) >= len(tomllib.loads(text)["routes"])
