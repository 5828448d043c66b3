"""Named moments of a run, wrapped around it from outside: the product knows nothing of them.

A point is (name, side): before or after each ledger statement, POST, file operation. It occurs many times in a run;
``nth`` counts from 1. At the chosen one the process kills itself; in a dry run they are only counted and logged.
"""

import builtins
import functools
import os
import re
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")
CHANGES = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")
RANDOM = re.compile(r"[0-9a-f]{8,}")
SCRATCH = re.compile(r"\.\w+-[0-9a-f]{16}\.part")


class Point(NamedTuple):
    """A moment of a run."""

    name: str
    side: str  # before or after
    nth: int


class Points:
    """Counts the points of this process, and dies at one of them."""

    def __init__(self, deadly: Point | None = None) -> None:
        self.deadly = deadly
        self.seen: Counter[tuple[str, str]] = Counter()
        self.log: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def at(self, name: str, side: str) -> None:
        """The process is at this point now."""
        with self._lock:
            self.seen[name, side] += 1
            self.log.append((name, side))
            if self.deadly == (name, side, self.seen[name, side]):
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, call: Callable[Given, Made]) -> Callable[Given, Made]:
        """The call, with a point before and after it."""
        return self.around_named(lambda *_, **__: name, call)

    def around_named(self, name: Callable[..., str | None], call: Callable[Given, Made]) -> Callable[Given, Made]:
        """The same where the name follows from the arguments; None: no point."""

        @functools.wraps(call)
        def wrapped(*args: Given.args, **kwargs: Given.kwargs) -> Made:
            said = name(*args, **kwargs)
            if said is None:
                return call(*args, **kwargs)
            self.at(said, "before")
            made = call(*args, **kwargs)
            self.at(said, "after")
            return made

        return wrapped

    def around_async(
        self, name: Callable[..., str | None], call: Callable[Given, Awaitable[Made]]
    ) -> Callable[Given, Awaitable[Made]]:
        """The same for a coroutine."""

        @functools.wraps(call)
        async def wrapped(*args: Given.args, **kwargs: Given.kwargs) -> Made:
            said = name(*args, **kwargs)
            if said is None:
                return await call(*args, **kwargs)
            self.at(said, "before")
            made = await call(*args, **kwargs)
            self.at(said, "after")
            return made

        return wrapped


# -- the ledger


def _statement(sql: str) -> str:
    """A statement's name: its beginning, without comments."""
    return " ".join(re.sub(r"--[^\n]*", "", sql).split())[:70]


def watch_statements(points: Points) -> None:
    """Each statement that changes something; a COMMIT is named after what it commits."""

    class Connection(sqlite3.Connection):
        last = ""

        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            return self._watched(super().execute, sql, parameters)

        def executemany(self, sql: str, parameters: Any) -> sqlite3.Cursor:
            return self._watched(super().executemany, sql, parameters)

        def _watched(self, call: Callable[[str, Any], sqlite3.Cursor], sql: str, parameters: Any) -> sqlite3.Cursor:
            name = _statement(sql)
            if not name.upper().startswith(CHANGES):
                return call(sql, parameters)
            if name == "COMMIT":
                name = f"COMMIT of {self.last}"
            elif not name.startswith(("BEGIN", "PRAGMA")):
                self.last = name[:50]
            points.at(f"sql {name}", "before")
            made = call(sql, parameters)
            points.at(f"sql {name}", "after")
            return made

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Connection)  # type: ignore[assignment]


# -- files


def _kind(path: object) -> str:
    """What a file is to the program, whatever its name is today."""
    name = Path(os.fsdecode(path)).name if isinstance(path, str | bytes | os.PathLike) else ""
    if SCRATCH.fullmatch(name):
        return "an unfinished video"
    return "a video" if name.endswith(".mp4") else RANDOM.sub("*", name)


def _opened(fd: int) -> str:
    path = os.readlink(f"/proc/self/fd/{fd}").removesuffix(" (deleted)")
    return f"folder {Path(path).name}" if Path(path).is_dir() else _kind(path)


def watch_files(points: Points) -> None:
    """Each operation that changes a file or a folder, and each that makes it durable."""

    def opening(path: object, flags: int, *_: object, **__: object) -> str | None:
        return f"open {_kind(path)}" if flags & (os.O_WRONLY | os.O_RDWR) else None

    os.fsync = points.around_named(lambda fd: f"fsync {_opened(fd)}", os.fsync)
    os.fdatasync = points.around_named(lambda fd: f"fdatasync {_opened(fd)}", os.fdatasync)
    os.open = points.around_named(opening, os.open)
    for name in ("link", "rename", "replace"):
        call = getattr(os, name)
        setattr(os, name, points.around_named(lambda old, new, verb=name, **_: f"{verb} to {_kind(new)}", call))
    for name in ("unlink", "mkdir"):
        call = getattr(os, name)
        setattr(os, name, points.around_named(lambda path, *_, verb=name, **__: f"{verb} {_kind(path)}", call))
    _watch_open(points)


def _watch_open(points: Points) -> None:
    plain = builtins.open

    def opening(file: object, mode: str = "r", *_: object, **more: object) -> str | None:
        is_ours = isinstance(file, str | os.PathLike) and more.get("opener") is None
        return f"open {_kind(file)}" if is_ours and set(mode) & set("wxa+") else None

    builtins.open = points.around_named(opening, plain)  # type: ignore[assignment]


# -- the network


def watch_network(points: Points) -> None:
    """Each POST: before it is sent, sent and not answered, answered and not read, read. Each poll and download."""
    import aiohttp

    from batchgen.download.downloader import Downloader
    from batchgen.service import client

    def posting(response: aiohttp.ClientResponse, *_: object) -> str | None:
        return "POST, the answer's body" if response.method == "POST" else None

    def awaiting(response: aiohttp.ClientResponse, *_: object) -> str | None:
        return "POST, the answer's head" if response.method == "POST" else None

    client.Client._post = points.around_async(lambda *_: "POST", client.Client._post)  # type: ignore[method-assign,assignment]
    client.Client.status = points.around_async(lambda *_: "poll", client.Client.status)  # type: ignore[method-assign,assignment]
    client._read = points.around_async(posting, client._read)  # type: ignore[assignment]
    aiohttp.ClientResponse.start = points.around_async(awaiting, aiohttp.ClientResponse.start)  # type: ignore[method-assign,assignment]
    Downloader.fetch = points.around_async(lambda *_: "download", Downloader.fetch)  # type: ignore[method-assign,assignment]


def watch_reports(points: Points) -> None:
    """The writing of results.csv, and its further lines."""
    from batchgen.report import results

    results.write = points.around("results", results.write)
    results.cells_of = points.around("results, a line", results.cells_of)


def watch(points: Points) -> None:
    """All of them."""
    watch_statements(points)
    watch_files(points)
    watch_network(points)
    watch_reports(points)
