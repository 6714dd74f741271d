"""The conditional headers of a request: If-Match and its relatives."""

from collections.abc import Mapping
from datetime import datetime

from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.values.timestamps import etag_of, from_http_date, from_wire


def check_conditions(headers: Mapping[str, str], modified: str, *, reading: bool) -> None:
    """Raise ConditionNotMet unless a resource last modified then is what the client expects.

    Reading what has not changed answers 304, everything else 412.
    """
    if (match := headers.get("If-Match")) and not _names(match, etag_of(modified)):
        raise BatchError(ErrorCode.CONDITION_NOT_MET)
    if (other := headers.get("If-None-Match")) and _names(other, etag_of(modified)):
        raise BatchError(_unchanged(reading=reading))
    check_dates(headers, modified, reading=reading)


def check_dates(headers: Mapping[str, str], modified: str, *, reading: bool) -> None:
    """Raise ConditionNotMet as above, for what has no ETag: files have none."""
    if (until := headers.get("If-Unmodified-Since")) and _second(modified) > _date(until):
        raise BatchError(ErrorCode.CONDITION_NOT_MET)
    if (since := headers.get("If-Modified-Since")) and _second(modified) <= _date(since):
        raise BatchError(_unchanged(reading=reading))


def _unchanged(*, reading: bool) -> ErrorCode:
    return ErrorCode.NOT_MODIFIED if reading else ErrorCode.CONDITION_NOT_MET


def _names(header: str, etag: str) -> bool:
    """Return whether the header lists the ETag; clients send it with and without quotes."""
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}
    return "*" in tags or etag in tags


def _second(modified: str) -> datetime:
    return from_wire(modified).replace(microsecond=0)


def _date(header: str) -> datetime:
    try:
        return from_http_date(header)
    except ValueError as exc:
        raise BatchError(ErrorCode.INVALID_HEADER_VALUE, HeaderValue=header) from exc
