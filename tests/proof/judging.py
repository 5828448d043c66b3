"""What a batch has cost and given, counted at the emulator and on the disk, not by what the program says."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from batchgen.emulator.server import Emulator
from batchgen.emulator.tasks import Task
from tests.e2e.program import results

Key = tuple[str, str]  # prompt, seed: what makes two rows want one video


@dataclass
class Judged:
    """The figures of a batch, and what breaks a promise."""

    wanted: int = 0  # distinct videos of the sheet, and those paid for while it was another; but those in doubt
    paid: int = 0  # tasks that the emulator accepted for them
    in_doubt: int = 0  # rows listed as in doubt
    doubtful_paid: int = 0  # tasks that the emulator accepted for those
    archived: int = 0
    unfinished: int = 0  # rows that a further run would go on with
    twice: list[str] = field(default_factory=list)
    unpaid: list[str] = field(default_factory=list)  # of the sheet, and neither paid nor in doubt nor refused
    lost: list[str] = field(default_factory=list)  # accepted tasks that neither a row nor a doubt knows of
    wrong_files: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @property
    def broken(self) -> list[str]:
        """Each promise that was not kept, said with what shows it."""
        found = {
            "paid twice": self.twice,
            "never paid": self.unpaid,
            "lost": self.lost,
            "wrong files": self.wrong_files,
            "leftovers": self.leftovers,
        }
        return [f"{what}: {', '.join(which)}" for what, which in found.items() if which]

    def __add__(self, other: "Judged") -> "Judged":
        return Judged(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})


class Judge:
    """Counts at one emulator; the videos' true hashes are drawn once."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._hashes: dict[str, str] = {}

    async def _hash(self, task: Task) -> str:
        if task.id not in self._hashes:
            self._hashes[task.id] = sha256(await self._emulator.video(task)).hexdigest()
        return self._hashes[task.id]

    def tasks(self, is_of: Callable[[str], bool]) -> list[Task]:
        """The tasks that were accepted for prompts like that."""
        return [task for task in self._emulator.tasks if is_of(task.input["prompt"])]

    async def incomplete(self, batch: Path) -> list[str]:
        """The files under a final name that are no whole video of a task; at any moment there must be none."""
        files = [path for path in (batch / "videos").glob("*") if not path.name.startswith(".")]
        whole = {await self._hash(task) for task in self._emulator.tasks} if files else set()
        return [path.name for path in files if sha256(path.read_bytes()).hexdigest() not in whole]

    async def judge(self, batch: Path, sheet: Sequence[Mapping[str, str]], is_of: Callable[[str], bool]) -> Judged:
        """Judge a batch of this sheet that no run is at work on, over the prompts that are its own."""
        judged = Judged()
        tasks = self.tasks(is_of)
        rows = [row for row in results(batch) if is_of(row["prompt"])]
        doubtful = _doubtful(batch)
        judged.in_doubt = sum(row["status"] == "in_doubt" for row in rows)
        judged.archived = sum(row["status"] == "archived" for row in rows)
        judged.unfinished = sum(row["status"] in ("pending", "in_flight", "rendered") for row in rows)
        refused = {_of(row) for row in rows if row["status"] == "failed" and not row["task_id"]}
        asked = {_of(row) for row in sheet if is_of(row["prompt"])} - refused - doubtful
        _count(judged, tasks, asked, doubtful)
        judged.lost = _lost(batch, tasks, doubtful)
        judged.wrong_files = await self._wrong(batch, rows) + await self.incomplete(batch)
        judged.leftovers = [path.name for path in batch.rglob("*.part")]
        return judged

    async def _wrong(self, batch: Path, rows: list[dict[str, str]]) -> list[str]:
        """The archived rows whose file is not the video of their task, or is not what the ledger says."""
        tasks = {task.id: task for task in self._emulator.tasks}
        recorded = dict(_read(batch, "SELECT place, lower(hex(sha256)) FROM video"))
        wrong = []
        for row in rows:
            if row["status"] == "archived":
                path = batch / row["video"]
                found = sha256(path.read_bytes()).hexdigest() if path.is_file() else None
                if not found == row["sha256"] == recorded[row["video"]] == await self._hash(tasks[row["task_id"]]):
                    wrong.append(f"{row['id']} ({row['video']})")
        return wrong


def _count(judged: Judged, tasks: list[Task], asked: set[Key], doubtful: set[Key]) -> None:
    """What the sheet ``asked`` for against what was paid: too much and too little."""
    paid = Counter(_key(task) for task in tasks)
    judged.twice = [f"{prompt} ×{number}" for (prompt, _), number in paid.items() if number > 1]
    judged.unpaid = [prompt for prompt, _ in sorted(asked - paid.keys())]
    judged.doubtful_paid = sum(number for key, number in paid.items() if key in doubtful)
    judged.paid = len(tasks) - judged.doubtful_paid
    judged.wanted = len(asked | (paid.keys() - doubtful))


def _read(batch: Path, sql: str) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(batch / "ledger.sqlite")) as ledger:
        return ledger.execute(sql).fetchall()


def _doubtful(batch: Path) -> set[Key]:
    """The requests of jobs in doubt, of rows that were edited away too."""
    found = _read(
        batch,
        "SELECT json_extract(request, '$.prompt'), coalesce(json_extract(request, '$.seed'), '') FROM job "
        "WHERE state IN ('in_doubt', 'submitting')",
    )
    return {(prompt, str(seed)) for prompt, seed in found}


def _lost(batch: Path, tasks: list[Task], doubtful: set[Key]) -> list[str]:
    """Each accepted task must be in the ledger as its request's own, or its request listed as in doubt."""
    attempts = "SELECT attempt.task_id, json_extract(request, '$.prompt') FROM attempt JOIN job USING (job) "
    bound = dict(_read(batch, f"{attempts} WHERE attempt.task_id IS NOT NULL"))
    return [
        f"{task.id} ({task.input['prompt']})"
        for task in tasks
        if bound.get(task.id) != task.input["prompt"] and _key(task) not in doubtful
    ]


def _of(row: Mapping[str, str]) -> Key:
    return row["prompt"], row["seed"]


def _key(task: Task) -> Key:
    return task.input["prompt"], str(task.input.get("seed", ""))
