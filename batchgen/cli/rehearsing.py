"""The command that plays a night beforehand: rehearse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchgen import arguments
from batchgen.catalog import DEFAULT_MODEL
from batchgen.cli import options
from batchgen.cli.options import PATH
from batchgen.cli.terminal import answer, progress, say
from batchgen.settings import batch_folder

if TYPE_CHECKING:
    from batchgen.emulator.server import Emulator
    from batchgen.planning.rehearsal import Seen


@click.command(short_help="Play a manifest against an emulator, to see how a run would go.")
@click.argument("manifest", type=PATH)
@options.apply((*options.MANIFEST, options.FORMAT, *options.ROWS, *options.LIMITS))
@options.PRICE
@options.PLAIN
@options.JSON
def rehearse(manifest: Path, batch: Path | None, as_json: bool, plain: bool, **flags: Any) -> None:
    """Play what a run of MANIFEST would submit against an emulator, a hundred times as fast, and say how it went.

    It is played in a batch that is thrown away: nothing is sent or paid, and the real batch is only read.

    Example: batchgen rehearse prompts.csv --concurrency 10
    """
    from batchgen.planning import rehearsal

    settings = arguments.to_settings(batch or batch_folder(manifest), manifest, key=arguments.NO_KEY, **flags)
    stage = _Stage(rehearsal.SPEED, settings.model or DEFAULT_MODEL)
    played = rehearsal.rehearse(settings, stage.service, stage.seen, progress(quiet=as_json, plain=plain))
    for sentence in played.plan.remarks:
        say(sentence)
    answer(played, as_json=as_json)


class _Stage:
    """The emulator that is played against."""

    def __init__(self, speed: float, model: str) -> None:
        self._speed = speed
        self._model = model
        self._emulator: Emulator | None = None

    @asynccontextmanager
    async def service(self) -> AsyncIterator[str]:
        """Its origin, for as long as it is needed."""
        from batchgen.emulator.server import Emulator

        async with Emulator(speed=self._speed, models={self._model}, tiny=True) as self._emulator:
            yield self._emulator.url

    def seen(self) -> "Seen":
        """What it saw."""
        from batchgen.planning.rehearsal import Seen

        assert self._emulator
        return Seen(self._emulator.account.peak_tasks, len(self._emulator.requests))
