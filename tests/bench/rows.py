"""Rows against time and memory: planning a sheet, and continuing a batch of it that has ended."""

import csv
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.meter import Taken, measure, python
from tests.bench.table import table

QUICK = (1_000, 10_000, 100_000)
FULL = (1_000, 10_000, 100_000, 1_000_000)
WORDS = "a fox crossing the frozen lake at dusk slow dolly in soft light over tall grass rain on neon city harbour"
PANDAS = """
import sys, pandas
reader = pandas.read_csv(sys.argv[1], dtype=str, keep_default_na=False, na_filter=False, chunksize=10_000)
print(sum(len(frame) for frame in reader))
"""
ENDED = """
import sys, time
from pathlib import Path
from batchgen.folder.opening import open_for_run
from batchgen.folder.memory import with_memory
from batchgen.settings import Settings
from batchgen.sheet.asked import take_in_as_asked

settings = Settings(batch=Path(sys.argv[2]), manifest=Path(sys.argv[1]), base_url="http://127.0.0.1:9")
with open_for_run(settings) as (ledger, _):
    take_in_as_asked(settings, with_memory(settings, ledger), ledger, print, print)
    execute, now = ledger.database.execute, time.time()
    videos = settings.batch / "videos"
    videos.mkdir()
    for (name,) in execute("SELECT name FROM row"):
        (videos / name).touch()
    with ledger.database.transaction():
        execute("UPDATE job SET state = 'archived', task_id = 'task_' || job, attempts = 1, submitted_at = ?, "
                "completed_at = ?, generation_ms = 60000", (now - 99, now - 39))
        execute("INSERT INTO attempt (job, started_at, ended_at, outcome, task_id, price) "
                "SELECT job, ?, ?, 'accepted', task_id, 750000 FROM job", (now - 100, now - 99))
        execute("INSERT INTO video SELECT row, 0, 'videos/' || name, 3000000, randomblob(32), ? FROM row", (now - 30,))
"""


def rows(*, full: bool) -> Iterator[str]:
    """Beside pandas' own reading of the same sheet as text; processor time, which others at work disturb least."""
    yield "Rows against seconds of processor and MB of memory: pandas reads the sheet, plan checks it, run continues it"
    head = ("rows", "pandas", "plan", "plan/pandas", "plan MB", "first run again", "and again", "MB", "ledger B/row")
    yield table(head, [_size(number) for number in (FULL if full else QUICK)])


def _size(number: int) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        sheet, batch = Path(folder, "sheet.csv"), Path(folder, "sheet.batch")
        write_sheet(sheet, number)
        pandas = measure(python("-c", PANDAS, sheet))
        plan = measure(python("-m", "batchgen", "plan", sheet), {"HOME": folder})
        measure(python("-c", ENDED, sheet, batch))
        size = (batch / "ledger.sqlite").stat().st_size / number
        first, again = _run(sheet, folder), _run(sheet, folder)
    figures = (f"{pandas.processor:.1f}", f"{plan.processor:.1f}", f"{plan.processor / pandas.processor:.1f}")
    more = (str(plan.memory), f"{first.processor:.1f}", f"{again.processor:.1f}", str(again.memory), f"{size:.0f}")
    return f"{number:,}", *figures, *more


def _run(sheet: Path, home: str) -> Taken:
    """Nobody listens at the service's address: a run that sent anything would not end well."""
    command = python("-m", "batchgen", "run", sheet, "--base-url", "http://127.0.0.1:9", "--quiet")
    return measure(command, {"APIXO_API_KEY": "bench", "HOME": home})


def write_sheet(path: Path, number: int) -> None:
    """Eight columns, some 130 bytes a row; one prompt in fifty has quotes and a line break."""
    draw, words = random.Random(7), WORDS.split()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "prompt", "seed", "mode", "resolution", "duration", "aspect_ratio", "scene"])
        for row in range(number):
            prompt = " ".join(draw.choices(words, k=14)) + (', "close up",\nwide' if row % 50 == 0 else "")
            choices = (draw.choice(["720p", "1080p"]), draw.choice(["5", "10"]), draw.choice(["16:9", "9:16", "1:1"]))
            facts = (f"{row:07}", prompt, draw.randrange(2**32), "text-to-video", *choices, f"scene {row % 977}")
            writer.writerow(facts)
