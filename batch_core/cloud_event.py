"""The end of a task as a CloudEvent in JSON: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md."""

import json
import re
from typing import Final
from urllib.parse import quote

from batch_core.clocks import utc_text
from batch_core.state.outbox import TaskEnd

#: The spec advises a reverse domain name; the project has no domain, and another's would claim what is not so.
_TYPE: Final = "batchdrop.task."
#: What the spec keeps out of texts of attributes, beside halves of surrogate pairs: control characters and what Unicode
#: calls noncharacters, the last two of each plane among them
#: (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system).
_LAST_OF_PLANES: Final = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_DISALLOWED: Final = re.compile(f"[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef{_LAST_OF_PLANES}]")
#: Halves of surrogate pairs, which no UTF-8 holds: a text of another service may have one, since JSON can spell it.
_HALVES: Final = re.compile("[\ud800-\udfff]")
#: A longer reason is cut: names of 1,024 characters, each of which JSON may write as six, need the rest of a message.
_MAX_REASON: Final = 1000


def cloud_event(end: TaskEnd, *, source: str, attempt: int, output_container: str) -> str:
    """Return the event in structured mode; the same end always gives the same `id`.

    That names the moment, too: a file that runs again after its record is gone has the same task id and another end.
    The text can always be sent as UTF-8: half a surrogate pair becomes U+FFFD.
    """
    data = {**vars(end), "attempt": attempt, "output_container": output_container, "reason": _cut(end.reason)}
    document = {
        "specversion": "1.0",
        "id": f"{end.task_id}@{utc_text(end.closed_at)}",
        "source": source,
        "type": f"{_TYPE}{end.state}",
        **({"subject": _subject(end.blob)} if end.blob else {}),
        "time": utc_text(end.closed_at),
        "datacontenttype": "application/json",
        "data": data,
    }
    return _HALVES.sub("\ufffd", json.dumps(document, default=utc_text, ensure_ascii=False, separators=(",", ":")))


def _subject(blob: str) -> str:
    """Return the blob's name, percent-encoded where the spec allows no character; `data.blob` is the name itself."""
    return _DISALLOWED.sub(lambda found: quote(found[0]), blob)


def _cut(reason: str | None) -> str | None:
    return reason if reason is None or len(reason) <= _MAX_REASON else f"{reason[: _MAX_REASON - 1]}…"
