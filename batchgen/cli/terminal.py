"""Words on a terminal."""

import json
import os
import re
import sys
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from batchgen.progress import Progress


_COMMAND = re.compile(r"\bbatchgen [a-z]+[^;,()]*")
_KEPT = "\0"  # a blank at which no line is broken


def tell(text: str) -> None:
    """Tell a person what was asked for, on standard output."""
    click.echo(fitted(shown(text), sys.stdout))


def say(text: str) -> None:
    """Say something to a person, on standard error: above the bar, where there is one (click would write over it)."""
    try:
        sys.stderr.write(f"{fitted(text, sys.stderr)}\n")
        sys.stderr.flush()
    except OSError:
        hush()


def fitted(text: str, stream: TextIO) -> str:
    """Text as wide as the terminal that it goes to, broken at blanks: never within a command, which may be copied."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        columns = 0
    return "\n".join(_folded(line, columns) for line in text.split("\n")) if columns else text


def _folded(line: str, columns: int) -> str:
    if len(line) <= columns or line.lstrip().startswith("batchgen "):
        return line
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", _KEPT), line.lstrip())
    indent = " " * (len(line) - len(line.lstrip()))
    lines = wrap(
        kept,
        columns,
        initial_indent=indent,
        subsequent_indent=f"{indent}  " if indent else "",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace(_KEPT, " ")


def hush() -> None:
    """Whoever read standard error is gone, or the terminal is: what is said from now on is lost, and ends no run."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def shown(text: str) -> str:
    """Text fit for a terminal: what could command it is shown as an escape."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def shown_json(text: str) -> str:
    """JSON fit for a terminal: the same values, with what could command it escaped."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def progress(*, quiet: bool = False, plain: bool = False) -> "Progress":
    """How a run's progress is shown here: not at all, in lines, or as a bar where one can be drawn over."""
    from batchgen.progress import Bar, Lines, Silent

    if quiet:
        return Silent()
    can_redraw = sys.stderr.isatty() and os.environ.get("TERM", "dumb").lower() not in ("", "dumb", "unknown")
    return Bar(shown) if can_redraw and not plain else Lines(lambda text: say(shown(text)))


def require(batch: Path, ledger_to: str | None = None) -> None:
    """Refuse a folder that is no batch, and cannot become one from the ledger's copy."""
    from batchgen.folder import require

    require(batch, ledger_to)
