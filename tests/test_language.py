"""The words of the house: what a native reader would stumble over, and what is written instead.

Spelling is for typos; this is the small rest, phrase by phrase. It reads code and documents alike.
"""

import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
#: Text of others, text made by tools, and this table.
NOT_OURS = re.compile(
    r"LICENSE|requirements.*\.txt|.*package-lock\.json|.*\.svg|local/samples/.*|.*/(live_table|table_of_[0-9_]+)\.json|tests/test_language\.py"
)

INSTEAD = {
    r"\banew\b": "again",
    r"(?<!cancelled-)\bwish(es|ed|ing)?\b": "request, want",
    r"\bwhoever\b": "callers, anyone who",
    r"\bfor ever\b": "forever",
    r"\b(stands?|stood)\b(?!-| in for\b| alone\b| in$|$)": "is, lies, means, stands in for",
    r"\b(has|have|had|having) not got\b": "has no, lacks",
    r"\beach for (itself|themselves)\b": "one by one, individually",
    r"\b(tells?|told|telling)\b(?! (\w+ ){0,4}apart\b| you\b|\()": "says, reports, shows, lists",
    r"\b(is|are|was|were) there[.,;:)]": "exists",
    r"\bof its own accord\b": "by itself",
    r"\b(thereof|wherein|whereof|hitherto|thither|whence)\b": "plain words",
    r"(?<!`)``(?!`)": "single backquotes",
}


def _lines():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        path = CHECKOUT / name
        if NOT_OURS.fullmatch(name) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a recording or an awkward input, not prose
            continue
        yield from ((f"{name}:{number}: {line.strip()}", line) for number, line in enumerate(text.splitlines(), 1))


def test_no_phrase_stops_a_native_reader():
    table = [(re.compile(phrase, re.IGNORECASE), instead) for phrase, instead in INSTEAD.items()]
    found = [
        f"{where}: write {instead!r}" for where, line in _lines() for pattern, instead in table if pattern.search(line)
    ]
    assert found == []
