"""Accounts and their access keys, of Storage and Batch: what can sign a request.

The SDKs find out when they sign, and then either fail in words of their own or, where they decode leniently, skip every
letter that is not base64 and sign with another key.
"""

import base64
import binascii
import re
from typing import Final

_ACCOUNT_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def is_access_key(text: str) -> bool:
    """Return whether a text is base64 of at least one byte, as every access key is."""
    try:
        return bool(base64.b64decode(text.encode("ascii"), validate=True))
    except (UnicodeEncodeError, binascii.Error):
        return False


def is_account_name(text: str) -> bool:
    """Return whether a text can be an account's name; emulators allow more than Azure does."""
    return _ACCOUNT_NAME.fullmatch(text) is not None
