"""Words on a terminal."""

from pathlib import Path

import click


def say(text: str) -> None:
    """Say something to a person, on standard error."""
    click.echo(text, err=True)


def shown(text: str) -> str:
    """Text fit for a terminal: what could command it is shown as an escape."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def size(count: float) -> str:
    """A number of bytes, as people write it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.1f} {unit}" if unit != "bytes" else f"{count:.0f} bytes"


def require(batch: Path) -> None:
    """Refuse a folder that is no batch."""
    from batchgen.folder import require

    require(batch)
