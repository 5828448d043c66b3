"""Archive throughput on this machine's loopback, beside the tools that do nothing else; whichever are installed."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.files import write_videos
from tests.bench.meter import Taken, measure, python
from tests.bench.table import table
from tests.s3_server import s3_server

AT_ONCE = 32  # the program's own default
MEGABYTE = 1_000_000
HEAD = ("what", "tool", "MB/s", "of batchgen's", "ms of processor a file", "MB of memory")


def archive(*, full: bool) -> Iterator[str]:
    """batchgen hashes, checks and syncs each file; the others do not. Starting the tool is taken off."""
    number = 600 if full else 200
    yield f"Archive: {number} files of 10 MB on loopback down, a third of them up, {AT_ONCE} at once"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        names = write_videos(source, number, 10 * MEGABYTE)
        lines = [*_downloads(Path(folder), source, names), *_uploads(Path(folder), source, names[: number // 3])]
    yield table(HEAD, [line for line in lines if len(line) > 1])
    yield from (line[0] for line in lines if len(line) == 1)


def _downloads(folder: Path, source: Path, names: list[str]) -> Iterator[tuple[str, ...]]:
    server = subprocess.Popen(python("-m", "tests.bench.files", source), stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        url = server.stdout.readline().strip()
        curl = f"cd {{to}} && xargs -a {{list}} curl -s --parallel --parallel-max {AT_ONCE} --remote-name-all"
        hashing = f"ls | xargs -P {os.cpu_count()} -n 10 openssl dgst -sha256 > {{list}}.sums"
        tools: dict[str, str] = {
            "batchgen": f"{sys.executable} -m tests.bench.keep {{to}} {AT_ONCE} < {{list}}",
            "curl": curl,
            "curl, sync": f"{curl} && sync -f .",
            "curl, hash, sync": f"{curl} && {hashing} && sync -f .",
            "aria2c": f"aria2c -q -j {AT_ONCE} -x 1 -d {{to}} -i {{list}}",
        }
        yield from _race("download", tools, [f"{url}/{name}" for name in names], folder)
    finally:
        server.terminate()
        server.wait()


def _uploads(folder: Path, source: Path, names: list[str]) -> Iterator[tuple[str, ...]]:
    with s3_server() as server:
        server.make_bucket("bench")
        copy = "mkdir {to}/up && xargs -a {list} ln -t {to}/up && aws s3 cp --recursive --quiet {to}/up s3://bench/aws"
        tools: dict[str, str] = {
            "batchgen": f"{sys.executable} -m tests.bench.keep s3://bench/batchgen {AT_ONCE} < {{list}}",
            "aws": copy,
        }
        yield from _race("upload", tools, [str(source / name) for name in names], folder, server.environment)


def _race(
    what: str, tools: dict[str, str], sources: list[str], folder: Path, environment: dict[str, str] | None = None
) -> Iterator[tuple[str, ...]]:
    """Each tool with a fifth of the sources, then with the others: the difference is what so many more take."""
    ours = 0.0
    fifth = len(sources) // 5
    for tool, command in tools.items():
        if not _runs(tool.split(",")[0]):
            yield (f"({tool} is not installed: it is left out)",)
            continue
        few, many = (_taken(command, part, folder, environment) for part in (sources[:fifth], sources[fifth:]))
        number = len(sources) - 2 * fifth
        speed = number * 10 / (many.seconds - few.seconds)
        ours = ours or speed
        processor = (many.processor - few.processor) / number * 1000
        yield what, tool, f"{speed:.0f}", f"{speed / ours:.2f}", f"{processor:.0f}", str(many.memory)


def _taken(command: str, sources: list[str], folder: Path, environment: dict[str, str] | None) -> Taken:
    to, listed = folder / "to", folder / "list"
    to.mkdir()
    listed.write_text("".join(f"{source}\n" for source in sources))
    taken = measure(["sh", "-c", command.format(to=to, list=listed)], environment)
    shutil.rmtree(to)
    os.sync()  # what one tool left to be written is not the next one's
    return taken


def _runs(tool: str) -> bool:
    """A name on PATH may be a mere stand-in."""
    if tool == "batchgen":
        return True
    try:
        return subprocess.run([tool, "--version"], capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
