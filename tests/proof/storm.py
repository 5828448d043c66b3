"""kill -9 at random instants, batch after batch, with or without faults, edits, overlapping runs and callbacks."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batchgen.emulator.server import Emulator
from tests.e2e.program import sheet
from tests.proof.fleet import Berth, Fleet, Went
from tests.proof.judging import Judge, Judged
from tests.waiting import free_port

LONGEST = 1.0  # seconds after which a run is killed, by the clock
MOST_REQUESTS = 30  # after which it is killed, by what the emulator has seen
JITTER = 0.03  # seconds after that
MOST_RUNS = 12  # that end a batch after its last kill
BUSY = 75
CONCURRENCY = 8  # tasks, and so POSTs, at once: they are spread over a run's life


@dataclass(frozen=True)
class Weather:
    """What goes on besides the kills."""

    rows: int = 40
    callbacks: bool = False
    edits: bool = False  # of the sheet, between the runs
    overlaps: bool = False  # now and then a second run beside the first
    loses_answers: bool = False  # the emulator loses some, so that rows are in doubt without a kill


@dataclass
class Tally:
    """What came of it."""

    kills: int = 0
    runs: int = 0
    batches: int = 0
    rows: int = 0
    refused_runs: int = 0  # that found the batch busy
    released: int = 0  # jobs that were let go since their callback never came
    unheard: int = 0  # accepted tasks whose callbacks all came while nobody listened
    judged: Judged = field(default_factory=Judged)
    broken: list[str] = field(default_factory=list)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})


class Storm:
    """Batches in ``folder`` against one emulator; ``goes_on`` says after each kill whether there is another."""

    def __init__(
        self,
        folder: Path,
        emulator: Emulator,
        fleet: Fleet,
        weather: Weather,
        *,
        seed: int,
        goes_on: Callable[[int], bool],
    ) -> None:
        self.tally = Tally()
        self._folder = folder
        self._emulator = emulator
        self._fleet = fleet
        self._weather = weather
        self._random = random.Random(seed)
        self._goes_on = goes_on
        self._judge = Judge(emulator)

    async def rage(self, lanes: int) -> Tally:
        """So many batches at a time, until it is over."""
        await asyncio.gather(*(self._lane() for _ in range(lanes)))
        return self.tally

    async def _lane(self) -> None:
        while self._goes_on(self.tally.kills):
            self.tally.batches += 1
            await _Batch(self, f"#{self.tally.batches}").live()


class _Batch:
    """One batch, killed until it has done what it can."""

    def __init__(self, storm: Storm, mark: str) -> None:
        self._storm = storm
        self._mark = mark
        self._folder = storm._folder / f"batch-{mark.removeprefix('#')}"
        self._folder.mkdir()
        self._random = storm._random
        self._rows = [self._row(n) for n in range(storm._weather.rows)]
        self._manifest = sheet(self._folder / "p.csv", self._rows)
        self._batch = self._folder / "p.batch"
        self._port = free_port()
        self._kills = 0
        self._versions = 0

    def _row(self, number: int) -> dict[str, str]:
        kind = self._random.random()
        prompt = f"{'[violation] ' if kind < 0.03 else ''}prompt {number} {self._mark}"
        if kind > 0.9:  # a pair that shares one video
            return {"id": f"r{number}", "prompt": f"twin {number // 4} {self._mark}", "seed": "7"}
        return {"id": f"r{number}", "prompt": prompt, "seed": ""}

    async def live(self) -> None:
        storm = self._storm
        while storm._goes_on(storm.tally.kills):
            went = await self._run(self._instant())
            if not went.was_killed:
                break
            self._kills += 1
            storm.tally.kills += 1
            storm.tally.broken += [f"{name} is not whole" for name in await storm._judge.incomplete(self._batch)]
            if storm._weather.edits:
                self._edit()
        await self._end()

    async def _instant(self) -> None:
        """A random one: now and then by the clock, mostly amid what goes on at the service, however fast that is."""
        requests = self._storm._emulator.requests
        longest = self._random.uniform(0.05, LONGEST)
        if self._random.random() < 0.25:
            await asyncio.sleep(longest)
            return
        last, jitter = len(requests) + self._random.randrange(1, MOST_REQUESTS), self._random.uniform(0, JITTER)
        while len(requests) < last:
            await asyncio.sleep(0.001)
        await asyncio.sleep(jitter)

    async def _end(self) -> None:
        for _ in range(MOST_RUNS):
            went = await self._run()
            assert (self._batch / "results.csv").exists(), went.said
            judged = await self._storm._judge.judge(self._batch, self._rows, self._is_ours)
            if not judged.unfinished:
                break
        tally = self._storm.tally
        tally.judged += judged
        tally.rows += len(self._rows)
        tally.broken += [f"batch {self._mark}: {what}" for what in judged.broken]
        if judged.unfinished:
            tally.broken.append(f"batch {self._mark}: {judged.unfinished} rows unfinished")
        if not self._storm._weather.loses_answers and judged.in_doubt > CONCURRENCY * self._kills:
            tally.broken.append(f"batch {self._mark}: {judged.in_doubt} in doubt after {self._kills} kills")
        if self._storm._weather.callbacks:
            self._count_callbacks()

    def _is_ours(self, prompt: str) -> bool:
        return prompt.endswith(self._mark)

    async def _run(self, kill_at: Coroutine[Any, Any, None] | None = None) -> Went:
        async with self._storm._fleet.berth() as berth:
            first = asyncio.create_task(self._run_in(berth, kill_at))
            if self._storm._weather.overlaps and self._random.random() < 0.2:
                async with self._storm._fleet.berth() as other:
                    await asyncio.sleep(self._random.uniform(0, 0.2))
                    second = await self._run_in(other)
                    self._storm.tally.refused_runs += second.code == BUSY
            return await first

    async def _run_in(self, berth: Berth, kill_at: Coroutine[Any, Any, None] | None = None) -> Went:
        callbacks: tuple[str, ...] = ()
        if self._storm._weather.callbacks:
            where = f"127.0.0.1:{self._port}"
            callbacks = ("--callback-url", f"http://{where}/calls", "--callback-listen", where)
        arguments: tuple[str | Path, ...] = (
            "run",
            self._manifest,
            "--base-url",
            self._storm._emulator.url,
            "--json",
            *pace(self._storm._emulator.speed),
            *callbacks,
        )
        went = await berth.run(*arguments, cwd=self._folder, kill_at=kill_at)
        self._storm.tally.runs += 1
        if "Traceback" in went.said:
            self._storm.tally.broken.append(went.said)
        return went

    def _edit(self) -> None:
        """Sort, cut, extend or change the sheet."""
        what = self._random.randrange(5)
        self._versions += 1
        if what == 0:
            self._random.shuffle(self._rows)
        elif what == 1 and len(self._rows) > 10:
            self._rows.pop(self._random.randrange(len(self._rows)))
        elif what == 2:
            self._rows.insert(self._random.randrange(len(self._rows)), self._row(1000 + 4 * self._versions))
        elif what == 3:
            row = self._random.choice(self._rows)
            row["prompt"] = f"edited {self._versions} {row['prompt']}"
        sheet(self._manifest, self._rows)

    def _count_callbacks(self) -> None:
        """Each accepted task whose callback was taken is bound; what was released was never accepted before."""
        heard = {call.task_id for call in self._storm._emulator.callbacks if call.status == 200}
        with closing(sqlite3.connect(self._batch / "ledger.sqlite")) as ledger:
            bound = {task for (task,) in ledger.execute("SELECT task_id FROM attempt WHERE task_id IS NOT NULL")}
            released = ledger.execute("SELECT count(*) FROM decision WHERE action = 'released'").fetchone()[0]
        unbound = {task.id for task in self._storm._judge.tasks(self._is_ours)} - bound
        self._storm.tally.broken += [f"{task} called back and is not bound" for task in sorted(unbound & heard)]
        self._storm.tally.unheard += len(unbound - heard)
        self._storm.tally.released += released


def pace(speed: float) -> tuple[str, ...]:
    """The document's times as they are at an emulator's speed."""
    return ("--first-poll", str(50 / speed), "--poll-every", str(15 / speed), "--concurrency", str(CONCURRENCY))
