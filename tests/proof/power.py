"""What a power cut would leave: a run's writes replayed from a trace of its system calls.

The disk of this simulation keeps of a file what was written before its last fsync, and nothing after it: the worst that
a disk may do. (That a file's name outlives the cut without a sync of its folder is assumed for the ledger's own files.)
"""

import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.e2e.forked import ROOT
from tests.e2e.program import environment

CALLS = (
    "pwrite64,write,ftruncate,fsync,fdatasync,sendto,sendmsg,writev,"
    "link,linkat,rename,renameat,renameat2,unlink,unlinkat"
)
_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_HEX = re.compile(r"(?:\\x[0-9a-f]{2})+")
_FILE = re.compile(r"(?:\d+|AT_FDCWD)<([^>]*)>")
_POST = b"POST /api/v1/generateTask/"


def _bytes(text: str) -> bytes:
    return b"".join(bytes.fromhex(found.replace("\\x", "")) for found in _HEX.findall(text))


@dataclass(frozen=True)
class Call:
    """One system call: its name, the file or socket it was made on, all that it was given, and its result."""

    name: str
    file: str
    given: str
    result: int

    @property
    def texts(self) -> list[bytes]:
        """The strings that it was given, without the descriptors' names."""
        return [_bytes(found) for found in re.findall(r'"([^"]*)"', self.given)]

    @property
    def last_number(self) -> int:
        """The last argument."""
        return int(self.given.rsplit(", ", 1)[1])


def calls(trace: Path) -> Iterator[Call]:
    """The calls in the order in which they ended."""
    begun: dict[str, str] = {}
    for line in trace.read_text().splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        thread, text = found.groups()
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>").rstrip()
            continue
        if resumed := _RESUMED.match(text):
            text = begun.pop(thread, "") + resumed[1]
        if call := _CALL.match(text):
            name, given, result = call.groups()
            file = _FILE.match(given)
            yield Call(name, _bytes(file[1]).decode() if file else "", given, int(result))


@dataclass
class File:
    """A file's bytes as programs see them, and as they are after a power cut."""

    now: bytearray = field(default_factory=bytearray)
    durable: bytes = b""


@dataclass
class Disk:
    """The disk under a run."""

    files: dict[str, File] = field(default_factory=dict)
    order: list[tuple[str, str]] = field(default_factory=list)  # what was done to a file that matters for order

    def take(self, call: Call) -> None:
        """Let the call happen."""
        file = self.files.setdefault(call.file.removesuffix(" (deleted)"), File())
        match call.name:
            case "pwrite64":
                self._write(file, call.texts[0] if call.texts else b"", call.last_number)
            case "write":
                self._write(file, call.texts[0] if call.texts else b"", len(file.now))
            case "ftruncate":
                del file.now[call.last_number :]
            case "fsync" | "fdatasync":
                file.durable = bytes(file.now)
                self.order.append(("fsync", call.file))
            case "link" | "linkat" | "rename" | "renameat" | "renameat2":
                old, new = (text.decode() for text in call.texts[:2])
                self.files[new] = self.files.get(old, File())
                self.order.append(("link", new))
            case "unlink" | "unlinkat":
                self.files.pop(call.texts[0].decode(), None)

    @staticmethod
    def _write(file: File, data: bytes, offset: int) -> None:
        file.now.extend(bytes(max(0, offset - len(file.now))))
        file.now[offset : offset + len(data)] = data

    def ledger(self, path: Path, sql: str) -> list[tuple[Any, ...]]:
        """Ask the ledger that a power cut would leave now."""
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("", "-wal", "-journal"):
                if (file := self.files.get(f"{path}{suffix}")) is not None:
                    (Path(folder) / f"ledger.sqlite{suffix}").write_bytes(file.durable)
            with closing(sqlite3.connect(Path(folder) / "ledger.sqlite")) as database:
                try:
                    return database.execute(sql).fetchall()
                except sqlite3.OperationalError:  # not even its tables are there yet
                    return []

    def durable_hash(self, path: Path) -> str:
        """SHA-256 of what a power cut would leave of a file."""
        return sha256(self.files[str(path)].durable).hexdigest()


def traced(trace: Path, *argv: str | Path, cwd: Path) -> int:
    """Run ``batchgen ARGV`` with its system calls written to ``trace``; returns its exit code."""
    strace = ("strace", "-f", "-y", "-xx", "--seccomp-bpf", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(trace))
    program = (sys.executable, "-m", "batchgen", *map(str, argv))
    return subprocess.run(
        (*strace, *program), cwd=cwd, env=environment(PYTHONPATH=str(ROOT)), capture_output=True, check=False
    ).returncode


def replay(trace: Path, posted: Callable[[Disk, bytes], None], synced: Callable[[Disk, str], None]) -> Disk:
    """Replay a run. ``posted`` is called when a task is about to be asked for, ``synced`` after each fsync."""
    disk = Disk()
    for call in calls(trace):
        if call.result < 0:
            continue
        if call.name in ("sendto", "sendmsg", "writev", "write") and call.texts and call.texts[0].startswith(_POST):
            posted(disk, b"".join(call.texts))
            continue
        disk.take(call)
        if call.name in ("fsync", "fdatasync"):
            synced(disk, call.file)
    return disk
