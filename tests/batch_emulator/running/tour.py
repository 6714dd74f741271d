"""Run the tour of the emulator's README where an emulator answers, and compare what it prints with what is said there.

    python tests/batch_emulator/running/tour.py [ENDPOINT]

Needs azure-batch. Waits until the emulator answers.
"""

import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

README = Path(__file__).parents[3] / "batch_emulator" / "README.md"
ENDPOINT = "http://127.0.0.1:10003"
SECONDS = 60


def wait_for(endpoint: str) -> None:
    """Return when the emulator answers; raise OSError if it has not for a minute."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with direct.open(f"{endpoint}/_emulator/health", timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main(endpoint: str = ENDPOINT) -> int:
    text = README.read_text(encoding="utf-8")
    (tour,) = re.findall(r"^```python\n# tour\.py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (expected,) = re.findall(r"^\$ python tour\.py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    wait_for(endpoint)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "tour.py")
        script.write_text(tour.replace(ENDPOINT, endpoint), encoding="utf-8")
        command = [sys.executable, "-W", "ignore", script]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=SECONDS).stdout
    print(printed, end="")
    if re.fullmatch(re.escape(expected).replace("…", r"\w+"), printed):
        return 0
    print(f"The README says:\n{expected}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
