"""The real program, run as a user runs it, against an emulator in this process."""

import asyncio
import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from batchgen.emulator.server import Emulator
from batchgen.emulator.tasks import Task
from tests.e2e.forked import running
from tests.waiting import until

KEY = "sentinel-key-7f3a"
MOST_SAID = 100_000_000  # bytes
READ_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "SSL_")  # what changes how a program loads
# What the document's times become at the emulator's speed in these tests.
SPEED = 100.0
QUICK = ("--first-poll", "0.3", "--poll-every", "0.1")
PATIENT = ("--first-poll", "5", "--poll-every", "0.1")  # no task is left for the next run for six minutes


@dataclass(frozen=True)
class Ended:
    """How the program ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The line of JSON that stands last on standard output."""
        summary: dict[str, Any] = json.loads(self.out.strip().splitlines()[-1])
        return summary


def environment(**more: str) -> dict[str, str]:
    """An environment with nothing of the developer's in it."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "APIXO_API_KEY": KEY, **more}


def altered(folder: Path, codes: dict[str, str]) -> dict[str, str]:
    """An environment in which code runs inside modules of the program, as soon as they are loaded."""
    home = folder / "altered"
    home.mkdir()
    (home / "sitecustomize.py").write_text(_ALTER.format(codes=codes))
    return {"PYTHONPATH": str(home)}


_ALTER = """
import ast, importlib.abc, importlib.util, sys

CODES = {codes!r}

def constants(code):
    assigned = [node for node in ast.parse(code).body if isinstance(node, ast.Assign)]
    names = [name.id for node in assigned for target in node.targets for name in ast.walk(target)
             if isinstance(name, ast.Name)]
    return [name for name in names if name.isupper()]

class Alter(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        code = CODES.pop(name, None)
        if code is None:
            return None
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            for constant in constants(code):
                if constant not in vars(module):
                    sys.exit(f"{{name}} has no {{constant}}: the test alters nothing")
            exec(code, vars(module))
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Alter())
"""


async def start(*arguments: str | Path, cwd: Path, **env: str) -> asyncio.subprocess.Process:
    """Start ``batchgen ARGUMENTS``."""
    return await _start(arguments, cwd, env, asyncio.subprocess.DEVNULL)


async def _start(
    arguments: Sequence[str | Path], cwd: Path, env: dict[str, str], stdin: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "batchgen", *map(str, arguments)),
        cwd=cwd,
        env=environment(**env),
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def batchgen(*arguments: str | Path, cwd: Path, **env: str) -> Ended:
    """Run ``batchgen ARGUMENTS`` to its end."""
    if any(name.startswith(READ_AT_START) for name in env):
        return await finished(await start(*arguments, cwd=cwd, **env))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        async with running(arguments, cwd, environment(**env), out, err) as process:
            code = await process.ended()
        return _ended(code, *(os.pread(file.fileno(), MOST_SAID, 0) for file in (out, err)))


async def pipe(content: bytes, *arguments: str | Path, cwd: Path) -> Ended:
    """Run ``batchgen ARGUMENTS`` to its end, with ``content`` on its standard input."""
    return await finished(await _start(arguments, cwd, {}, asyncio.subprocess.PIPE), content)


async def kill_at(
    process: asyncio.subprocess.Process, seen: Sequence[object], number: int, jitter: float = 0.0
) -> bool:
    """kill -9 it when the emulator has seen so many, or a little later; False if it had ended by then."""
    await until(lambda: len(seen) >= number or process.returncode is not None)
    await asyncio.sleep(jitter)
    if is_alive := process.returncode is None:
        process.kill()
    await process.communicate()
    return is_alive


async def finished(process: asyncio.subprocess.Process, content: bytes | None = None) -> Ended:
    """How it ends, with ``content`` on its standard input."""
    out, err = await process.communicate(content)
    assert process.returncode is not None
    return _ended(process.returncode, out, err)


def _ended(code: int, out: bytes, err: bytes) -> Ended:
    assert KEY not in out.decode() + err.decode()
    assert "Traceback" not in err.decode(), err.decode()
    return Ended(code, out.decode(), err.decode())


async def run(emulator: Emulator, manifest: Path, *arguments: str | Path, **env: str) -> Ended:
    """Run a manifest against the emulator, quickly, with a summary in JSON."""
    return await batchgen(
        *("run", manifest, "--base-url", emulator.url, "--json", *QUICK, *arguments), cwd=manifest.parent, **env
    )


class Clock:
    """The emulator's clock, which a test may stop: no task ends before it goes on."""

    def __init__(self) -> None:
        self._behind = 0.0
        self._stopped_at: float | None = None

    def __call__(self) -> float:
        return (time.time() if self._stopped_at is None else self._stopped_at) - self._behind

    def stop(self) -> None:
        self._stopped_at = time.time()

    def go(self) -> None:
        assert self._stopped_at
        self._behind += time.time() - self._stopped_at
        self._stopped_at = None


@asynccontextmanager
async def emulated(**options: Any) -> AsyncIterator[Emulator]:
    """An emulator whose tasks take half a second to a second, with small videos."""
    async with Emulator(speed=options.pop("speed", SPEED), tiny=options.pop("tiny", True), **options) as emulator:
        yield emulator


@asynccontextmanager
async def standing_still(**options: Any) -> AsyncIterator[tuple[Emulator, Clock]]:
    """An emulator, and its clock, which is stopped."""
    clock = Clock()
    clock.stop()
    async with emulated(clock=clock, **options) as emulator:
        yield emulator, clock


def sheet(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Write a CSV manifest."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def prompts(path: Path, number: int, **more: str) -> Path:
    """Write a CSV manifest of that many rows."""
    return sheet(path, [{"id": f"r{n}", "prompt": f"prompt {n}", **more} for n in range(number)])


def results(batch: Path) -> list[dict[str, str]]:
    """The rows of a batch's results.csv."""
    with (batch / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def paid(emulator: Emulator) -> dict[str, list[Task]]:
    """The tasks that the emulator charged for, by prompt."""
    tasks: dict[str, list[Task]] = {}
    for task in emulator.tasks:
        tasks.setdefault(task.input["prompt"], []).append(task)
    return tasks


async def wrong_files(emulator: Emulator, batch: Path) -> list[str]:
    """The archived rows whose file is not, byte for byte, the video of their task."""
    tasks = {task.id: task for task in emulator.tasks}
    wrong = []
    for row in results(batch):
        if row["status"] != "archived":
            continue
        content = (batch / row["video"]).read_bytes()
        expected = await emulator.video(tasks[row["task_id"]])
        if content != expected or row["sha256"] != sha256(content).hexdigest() or int(row["bytes"]) != len(content):
            wrong.append(row["id"])
    return wrong
