"""Batches of Python, made quickly."""

from pathlib import Path
from typing import Any

import pytest

from batchgen import Batch
from batchgen.emulator.server import Emulator
from tests.e2e.program import KEY
from tests.waiting import until


def quick_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the embedded emulator be a hundred times as fast as the service."""
    for module in ("arguments", "origin"):
        monkeypatch.setattr(f"batchgen.{module}.EMULATOR_SPEED", 100.0)


def at(emulator: Emulator, source: Any, folder: Path | None, **options: Any) -> Batch:
    """A batch at an emulator of the test's."""
    quick = {"first_poll": 0.3, "poll_every": 0.1, "key": KEY}
    return Batch(source, batch=folder, base_url=emulator.url, **{**quick, **options})


def rows(number: int, **more: object) -> list[dict[str, object]]:
    """So many rows."""
    return [{"id": f"r{n}", "prompt": f"prompt {n}", **more} for n in range(number)]


async def accepted(emulator: Emulator, tasks: int) -> None:
    """Wait until the service has accepted so many tasks."""
    await until(lambda: len(emulator.tasks) >= tasks)
