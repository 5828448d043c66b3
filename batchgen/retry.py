"""How long to wait before another try: by how many failed, or as the other side asks for."""

import random
import re
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRY_AFTER_RANGE_SECONDS = (1.0, 300.0)
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def backoff(tries: int, *, base: float = 1.0, cap: float = 60.0) -> float:
    """Seconds to wait after ``tries`` failures in a row: doubling, with jitter over the upper half."""
    ceiling = min(cap, base * 2.0 ** min(max(tries - 1, 0), 30))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 (jitter, no secret)


def retry_after(text: str, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3), within reason; None where it says nothing.

    ``now`` is in Unix seconds, by the clock of who sent it.
    """
    text = text.strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        date = moment(text)
        if date is None:
            return None
        seconds = date - now
    least, most = RETRY_AFTER_RANGE_SECONDS
    return min(max(seconds, least), most)


def moment(text: str | None) -> float | None:
    """The date of a header (RFC 9110, 5.6.7) in Unix seconds, if it is one; without a zone it is read as UTC."""
    try:
        date = parsedate_to_datetime(text or "")
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # the latter: of a zone
        return None
