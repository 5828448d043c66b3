"""Archive throughput on this machine's loopback, beside the tools that do nothing else; whichever are installed."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.files import write_videos
from tests.bench.meter import measure, python
from tests.bench.table import table
from tests.s3_server import s3_server

AT_ONCE = 16
MEGABYTE = 1_000_000
HEAD = ("what", "tool", "MB/s", "of batchgen's", "s of processor", "MB of memory")


def archive(*, full: bool) -> Iterator[str]:
    """batchgen hashes, checks and syncs each file; the others do not."""
    number = 300 if full else 100
    yield f"Archive: {number} files of 10 MB on loopback, {AT_ONCE} at once"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        names = write_videos(source, number, 10 * MEGABYTE)
        lines = [*_downloads(Path(folder), source, names), *_uploads(Path(folder), source, names)]
    yield table(HEAD, [line for line in lines if len(line) > 1])
    yield from (line[0] for line in lines if len(line) == 1)


def _downloads(folder: Path, source: Path, names: list[str]) -> Iterator[tuple[str, ...]]:
    server = subprocess.Popen(python("-m", "tests.bench.files", source), stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        url = server.stdout.readline().strip()
        links = folder / "links"
        links.write_text("".join(f"{url}/{name}\n" for name in names))
        ours = f"{sys.executable} -m tests.bench.keep {{to}} {AT_ONCE} < {links}"
        curl = f"curl -s --parallel --parallel-max {AT_ONCE} --remote-name-all"
        tools: dict[str, list[object]] = {
            "batchgen": ["sh", "-c", ours],
            "curl": ["sh", "-c", f"cd {{to}} && xargs -a {links} {curl}"],
            "aria2c": ["aria2c", "-q", "-j", AT_ONCE, "-x", 1, "-d", "{to}", "-i", links],
        }  # fmt: skip
        yield from _race("download", tools, len(names), folder)
    finally:
        server.terminate()
        server.wait()


def _uploads(folder: Path, source: Path, names: list[str]) -> Iterator[tuple[str, ...]]:
    files = folder / "files"
    files.write_text("".join(f"{source / name}\n" for name in names))
    with s3_server() as server:
        server.make_bucket("bench")
        ours = f"{sys.executable} -m tests.bench.keep s3://bench/batchgen {AT_ONCE} < {files}"
        tools: dict[str, list[object]] = {
            "batchgen": ["sh", "-c", ours],
            "aws": ["aws", "s3", "cp", "--recursive", "--quiet", source, "s3://bench/aws"],
        }
        yield from _race("upload", tools, len(names), folder, server.environment)


def _race(
    what: str, tools: dict[str, list[object]], number: int, folder: Path, environment: dict[str, str] | None = None
) -> Iterator[tuple[str, ...]]:
    ours = 0.0
    for tool, command in tools.items():
        if tool != "batchgen" and not _runs(tool):
            yield (f"({tool} is not installed: it is left out)",)
            continue
        to = folder / f"{what}-{tool}"
        to.mkdir()
        taken = measure([str(word).replace("{to}", str(to)) for word in command], environment)
        shutil.rmtree(to)
        speed = number * 10 / taken.seconds
        ours = ours or speed
        yield what, tool, f"{speed:.0f}", f"{speed / ours:.2f}", f"{taken.processor:.1f}", str(taken.memory)


def _runs(tool: str) -> bool:
    """A name on PATH may be a mere stand-in."""
    try:
        return subprocess.run([tool, "--version"], capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
