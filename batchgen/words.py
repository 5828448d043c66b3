"""Numbers, durations, sizes, commands and strange letters as a person reads them."""

from collections.abc import Collection
from itertools import islice
from shlex import join

COMMAND = "    batchgen "  # how the line of a command begins
GONE_IN_DOUBT = "more in doubt (held), whose rows were edited or are gone"
GONE_AWAITED = "more in flight or to be fetched, whose rows were edited or are gone"
MOVED = "if moved, say where to with run --to"


def many(number: int | str, one: str, several: str | None = None) -> str:
    """So many of something: ``1 row``, ``2 rows``; ``several`` where an s does not do.

    The number may be written out already.
    """
    return f"{number} {one if str(number) == '1' else several or f'{one}s'}"


def first_of(names: Collection[str], most: int) -> str:
    """The first of some names, with dots where there are more: ``fox, cat, ...``."""
    return ", ".join([*islice(names, most), *["..."] * (len(names) > most)])


def with_command(sentence: str, *words: str) -> str:
    """A sentence that leads to a command, which has a line to itself: a narrow terminal would break it elsewhere."""
    return f"{sentence}:\n{COMMAND}{join(words)}"


def given_up(batch: str, *more: str) -> str:
    """What there is to say, behind their number, of rows that a person gave up; ``more`` words follow the batch."""
    what = "given up by a person, and asked for again only with"
    return with_command(what, "resolve", batch, *more, "--row", "ID", "--resubmit")


def left_alone(rows: int) -> str:
    """What there is to say of rows in doubt that are resubmitted only by name."""
    one = "row in doubt is left alone: its callback came, so that the service has accepted it"
    return many(rows, one, "rows in doubt are left alone: their callbacks came, so that the service has accepted them")


def in_one_line(text: str) -> str:
    """The same without line breaks."""
    return " ".join(line.strip() for line in text.splitlines())


def escaped(text: str, keep: str = "") -> str:
    r"""The text with what no terminal should obey as ``\x1b`` or ``\u202e``; what to ``keep`` stands as it is."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)


def amount(value: float) -> str:
    """A number with no more digits than matter."""
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def share(part: float, whole: float) -> str:
    """A percentage that says 100% and 0% only where it is so."""
    if not whole or not part:
        return "0%"
    percent = 100 * part / whole
    if part < whole:
        percent = min(max(percent, 0.1), 99.9)
    return f"{percent:.1f}%".replace(".0%", "%")


def duration(seconds: float) -> str:
    """A stretch of time as people say it, no more exact than a forecast is."""
    if seconds < 90:
        return many(max(1, round(seconds) if seconds < 10 else 5 * round(seconds / 5)), "second")
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} minutes"
    hours, minutes = divmod(5 * round(minutes / 5), 60)
    words = many(hours, "hour")
    return f"{words} {minutes} minutes" if minutes else words


def seconds_words(seconds: float) -> str:
    """A duration: ``8.2 s``, ``2 min 5 s``, ``1 h 42 min``, ``3 d 4 h``."""
    if seconds < 60:
        return f"{amount(seconds) if seconds < 10 else round(seconds)} s"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    left = round(seconds) if seconds < 3600 else round(seconds / 60) * 60
    parts = []
    for name, size in units:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def size_words(count: float) -> str:
    """A number of bytes: ``5.4 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def money_words(dollars: float) -> str:
    """US dollars, to the cent."""
    return f"${dollars:,.2f}"
