"""Dates and times as spreadsheets keep them -> the text that names them. Pure."""

import re
from datetime import datetime, timedelta

from batchgen.manifest.office import Cell, Fault, Moment

_QUOTED = re.compile(r'"[^"]*"|\\.|[_*].|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_DURATION = re.compile(r"PT([0-9]+)H([0-9]+)M([0-9]+)([.,][0-9]+)?S")
_LATEST = 2_958_466  # the day after 9999-12-31


def kind_of_format(code: str) -> str:
    """Return what a number format makes of a number: "date", "time", "date and time", or "" for a number."""
    plain = _QUOTED.sub("", code.partition(";")[0]).casefold()
    if plain.strip() in ("general", "@", ""):
        return ""
    time = "h" in plain or "s" in plain
    date = "d" in plain or "y" in plain or ("m" in plain and not time)
    return "date and time" if date and time else "date" if date else "time" if time else ""


def from_serial(raw: str, kind: str, since_1904: bool) -> Cell:
    """Return the moment of a cell of Excel's: days since the end of 1899, or since 1904."""
    try:
        days = float(raw)
    except ValueError:
        days = -1.0
    if not 0 <= days < _LATEST:
        return Fault(f"holds a {kind} that cannot be ({raw[:20]}); type it again")
    seconds = round(days % 1 * 86400)
    if kind == "time" or days < 1:
        return Moment("time", clock(int(days) * 86400 + seconds))
    # Excel believes in a 29 February 1900: the days before it count from one day later.
    first = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30 if days >= 60 else 31)  # noqa: DTZ001
    return named(first + timedelta(days=int(days), seconds=seconds), seconds or kind == "date and time")


def named(moment: datetime, with_time: object) -> Moment:
    """Return a date, with its time where it has one."""
    if with_time:
        return Moment("date and time", moment.isoformat(sep=" ", timespec="seconds"))
    return Moment("date", moment.date().isoformat())


def from_iso(raw: str) -> Cell:
    """Return the moment of ``2026-01-05`` or ``2026-01-05T12:30:00``."""
    try:
        return named(datetime.fromisoformat(raw).replace(tzinfo=None), "T" in raw)
    except ValueError:
        return Fault(f"holds a date that cannot be ({raw[:20]}); type it again")


def from_duration(raw: str) -> Cell:
    """Return the moment of ``PT16H09M00S``."""
    match = _DURATION.fullmatch(raw)
    if not match:
        return Fault(f"holds a time that cannot be ({raw[:20]}); type it again")
    return Moment("time", clock(int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])))


def clock(seconds: int) -> str:
    """``16:09``, or ``16:09:30`` where there are seconds."""
    minutes, rest = divmod(seconds, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{rest:02}" if rest else text
