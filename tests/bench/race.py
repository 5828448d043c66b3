"""One client against one emulator, each a process of its own."""

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.meter import Taken, measure
from tests.simulation.regimes import times
from tests.simulation.service import bound

RATE = 10_000


@dataclass(frozen=True)
class Scale:
    """How the service is scaled: its clock this many times as fast, and only so many slots and rows."""

    speed: float
    slots: int
    rows: int


@dataclass(frozen=True)
class Result:
    """What a race came to; seconds of the service's clock, but for ``processor``: milliseconds a row."""

    ratio: float
    calls: float
    processor: float
    memory: int  # MB at most
    refused: int
    in_use: list[int]


def plain(url: str, manifest: Path, scale: Scale) -> list[str]:
    """The command of the plain client."""
    folder = str(manifest.parent / "plain")
    return [
        sys.executable,
        "-m",
        "tests.bench.plain_client",
        str(manifest),
        folder,
        url,
        str(scale.speed),
        str(scale.slots),
    ]


def batchgen(url: str, manifest: Path, scale: Scale) -> list[str]:
    """The program's command, told how the clock is scaled and nothing else."""
    first, every = 50 / scale.speed, 5 / scale.speed
    command = [sys.executable, "-m", "batchgen", "run", str(manifest), "--base-url", url, "--json"]
    command += ["--concurrency", str(scale.slots), "--first-poll", str(first), "--poll-every", str(every)]
    return command


def with_callbacks(url: str, manifest: Path, scale: Scale) -> list[str]:
    """The same, in callback mode."""
    listen = ["--callback-listen", "127.0.0.1:18099", "--callback-url", "http://127.0.0.1:18099"]
    return batchgen(url, manifest, scale) + listen


CLIENTS = {"plain": plain, "batchgen": batchgen, "callbacks": with_callbacks}


def race(client: str, regime: str, scale: Scale) -> Result:
    """Run a client to its end."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "sheet.csv"
        lines = (f"r{row},prompt {row}" for row in range(scale.rows))
        manifest.write_text("id,prompt\n" + "\n".join(lines) + "\n", encoding="utf-8")
        seen, taken = _run(client, manifest, regime, scale)
    if seen["tasks"] != scale.rows:
        raise RuntimeError(f"{client} made {seen['tasks']} of {scale.rows} videos")
    least = bound(times(regime, scale.rows), round(RATE / scale.speed), scale.slots)
    return Result(
        ratio=seen["span"] / least,
        calls=seen["status_calls"] / scale.rows,
        processor=taken.processor * 1000 / scale.rows,
        memory=taken.memory,
        refused=seen["refused"],
        in_use=seen["in_use"],
    )


def _run(client: str, manifest: Path, regime: str, scale: Scale) -> tuple[dict[str, Any], Taken]:
    arguments = [regime, str(scale.rows), str(scale.speed), str(scale.slots)]
    service = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.service", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert service.stdout
    try:
        url = service.stdout.readline().strip()
        taken = measure(CLIENTS[client](url, manifest, scale), {"APIXO_API_KEY": "bench"})
    finally:
        service.send_signal(signal.SIGTERM)
    return json.loads(service.communicate()[0]), taken
