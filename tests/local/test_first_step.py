"""What `make up` advises to do first."""

import pytest

from local.settings_file import AppSettings
from local.up import _first_step

ROUTES = """
unmatched = "UNMATCHED"
[[routes]]
name = "letters"
match = "letters/*.txt"
command = "/bin/true"
"""


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "Drop a file into the container 'input':"),
        (ROUTES.replace("UNMATCHED", "settings"), "Drop a file into the container 'input':"),
        *(
            (
                text,
                "Drop a file that your routes take (--prefix puts folders before its name) into the container 'input':",
            )
            for text in (ROUTES.replace("UNMATCHED", "ignore"), ROUTES.replace("UNMATCHED", "reject"), "unmatched = 5")
        ),
    ],
)
def test_up_advises_to_drop_the_sample_only_where_the_routes_take_it(tmp_path, text, advice):
    file = tmp_path / "routes.toml"
    file.write_text(text)
    what, command = _first_step(AppSettings.example().with_values(ROUTES_FILE=str(file)))
    assert what == advice
    assert command.endswith(" local/samples/recipe.txt" if "your routes" not in advice else " PATH")
