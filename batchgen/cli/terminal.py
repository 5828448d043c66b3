"""Words on a terminal."""

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO
from unicodedata import combining, east_asian_width

import click

from batchgen.words import COMMAND, escaped

if TYPE_CHECKING:
    from batchgen.steering.progress import Progress


def tell(text: str) -> None:
    """Tell a person what was asked for, on standard output."""
    click.echo(fitted(shown(text), sys.stdout))


class Found(Protocol):
    """What a command was asked for; ``str()`` of it is for a person."""

    def to_json(self) -> str:
        """All of it as one line."""


def answer(found: Found, *, as_json: bool) -> None:
    """Print what was asked for on standard output."""
    if as_json:
        click.echo(shown_json(found.to_json()))
    else:
        tell(str(found))


def say(text: str) -> None:
    """Say something to a person, on standard error: above the bar, where there is one (click would write over it)."""
    try:
        sys.stderr.write(f"{fitted(shown(text), sys.stderr)}\n")
        sys.stderr.flush()
    except OSError:
        hush()


def fitted(text: str, stream: TextIO) -> str:
    """Text as wide as the terminal that it goes to, broken at blanks; a command's line is left whole, to be copied."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        columns = 0
    return "\n".join(_folded(line, columns) for line in text.split("\n")) if columns else text


def _folded(line: str, columns: int) -> str:
    if line.startswith(COMMAND) or _cells(line) <= columns:
        return line
    first, *words = line.lstrip(" ").split(" ")
    indent = " " * (len(line) - len(line.lstrip(" ")))
    below = f"{indent}  " if indent else ""
    lines = [f"{indent}{first}"]
    for word in words:
        if _cells(lines[-1]) + 1 + _cells(word) <= columns:
            lines[-1] += f" {word}"
        elif word:
            lines.append(f"{below}{word}")
    return "\n".join(lines)


def _cells(text: str) -> int:
    """How many columns a text takes: Chinese, and the like, takes two for each character."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def hush(descriptor: int = 2) -> None:
    """Whoever read this is gone, or the terminal is: what is said there from now on is lost, and ends no run."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


@contextmanager
def even_if_unheard() -> Iterator[None]:
    """What is printed within changes no exit code, even if the reader of standard output, or the terminal, is gone."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EIO, errno.EPIPE):
            raise
        hush(1)


def shown(text: str) -> str:
    """Text fit for a terminal: what could command it is shown as an escape."""
    return escaped(text, keep="\n")


def shown_json(text: str) -> str:
    """JSON fit for a terminal: the same values, with what could command it escaped."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def progress(*, quiet: bool = False, plain: bool = False) -> "Progress":
    """How a run's progress is shown here: not at all, in lines, or as a bar where one can be drawn over."""
    from batchgen.steering.progress import Bar, Lines, Progress

    if quiet:
        return Progress()
    can_redraw = sys.stderr.isatty() and os.environ.get("TERM", "dumb").lower() not in ("", "dumb", "unknown")
    return Bar(shown) if can_redraw and not plain else Lines(say)
