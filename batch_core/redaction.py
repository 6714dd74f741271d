"""Secrets are kept out of logs, records, replies and messages: the one place that knows what a secret looks like.

Texts from outside (a service's message, what a command wrote) lose the secrets that have a name or a place of their
own: `redacted`. The value of a setting is shown whole or not at all, since a secret that was pasted into the wrong
setting has no name there: `shown`.
"""

import re
from typing import Final

_REDACTED: Final = "REDACTED"
#: The first group of each stays, the rest is the secret.
_SECRETS: Final = (
    # The signature of a SAS (https://learn.microsoft.com/rest/api/storageservices/create-service-sas), and keys: of
    # accounts, of Functions (`code`), of databases.
    re.compile(
        r"((?:\bsig|\baccountkey|\bsharedaccesssignature|\bcode|\bpassword|\bpwd)=)[^\s&;\"'<>]+", re.IGNORECASE
    ),
    re.compile(r"(\bbearer\s+)[^\s\"']+", re.IGNORECASE),
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/@:]*:)[^\s/@]+(?=@)", re.IGNORECASE),
)

#: What makes the whole value of a setting suspect: marks of a secret, also of one that was cut, and tokens (JWT).
_MARKS: Final = re.compile(
    r"\bsig=|accountkey=|sharedaccesssignature=|password|secret|://[^/\s]*@|\beyJ", re.IGNORECASE
)
# An access key of Storage or Batch is 64 bytes in base64: 88 characters. Passwords and tokens are shorter, so any long
# unbroken run of base64 letters that mixes digits, upper and lower case is suspect, too.
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{32}")
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
#: The longest value that is shown, in characters.
_LONGEST: Final = 200


def redacted(text: str) -> str:
    """Return the text with `REDACTED` in place of each secret that has a name or a place of its own.

    These are `sig=`, `AccountKey=`, `SharedAccessSignature=`, `code=`, `password=` and `pwd=` in any case, bearer
    tokens, and passwords in URLs. Redact before cutting: half a secret may have lost its name.
    """
    for secret in _SECRETS:
        text = secret.sub(rf"\1{_REDACTED}", text)
    return text


def shown(value: str) -> str:
    """Return the quoted value, cut after 200 characters; one that looks like a secret is described instead."""
    if looks_secret(value):
        return f"a text of {len(value)} characters that looks like a secret (not shown)"
    return repr(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}...")


def looks_secret(value: str) -> bool:
    """Return whether a text may be or hold a key, a connection string, a SAS or a token.

    That is what `redacted` would change, what holds a mark of a secret, and what could be a key: 20 or more letters of
    base64 in a row that end in `=` or mix capitals, small letters and digits, or 32 hex digits that are no GUID.
    """
    without_ids = _GUID.sub("", value)
    has_mark = _MARKS.search(without_ids) is not None or redacted(without_ids) != without_ids
    return has_mark or any(_is_random(run.group()) for run in _RUN.finditer(without_ids))


def _is_random(run: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    return (
        run.endswith("=")
        or _HEX.search(run) is not None
        or all(any(is_kind(letter) for letter in run) for is_kind in kinds)
    )
