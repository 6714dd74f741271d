"""Shows the value of a setting in a message, unless it may be a secret that was pasted into the wrong place."""

import re

# An access key of Storage or Batch is 64 bytes in base64: 88 characters. Passwords and tokens are shorter, so that
# any long unbroken run of base64 letters that mixes digits, upper and lower case is hidden, too.
_RUN = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_MARKS = re.compile(r"\bsig=|accountkey=|sharedaccesssignature=|password|secret|://[^/\s]*@|\beyJ", re.IGNORECASE)
_HEX = re.compile(r"[0-9A-Fa-f]{32}")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LONGEST = 200


def shown(value: str) -> str:
    """Return the quoted value, cut after 200 characters, or words in its place if it looks like a secret.

    A secret is what holds `sig=`, `AccountKey=`, a password in a URL or a token, and what could be an access key:
    20 or more letters of base64 in a row that end in `=` or mix capitals, small letters and digits, or 32 hex digits.
    """
    if looks_secret(value):
        return f"a text of {len(value)} characters that looks like a secret (not shown)"
    return repr(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}...")


def looks_secret(value: str) -> bool:
    """Tell whether a text may be or hold a key, a connection string, a SAS or a token."""
    without_ids = _GUID.sub("", value)
    return bool(_MARKS.search(without_ids)) or any(_is_random(run.group()) for run in _RUN.finditer(without_ids))


def _is_random(run: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    return (
        run.endswith("=")
        or _HEX.search(run) is not None
        or all(any(is_kind(letter) for letter in run) for is_kind in kinds)
    )
