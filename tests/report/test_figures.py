"""The figures above the wall are the ledger's, and the ledger's are the service's."""

import sqlite3
from pathlib import Path

from batchgen.ledger import Ledger
from batchgen.report.cards import beside
from batchgen.report.page import gather
from batchgen.report.poster import Posters
from batchgen.words import money_words
from tests.e2e.program import emulated, run, sheet


def told(batch: Path) -> dict[str, tuple[str, str]]:
    with Ledger.open(batch / "ledger.sqlite") as ledger:
        page = gather(ledger, batch, beside(batch, Posters(batch / "posters")))
    return {figure.label: (figure.value, figure.note) for figure in page.figures}


def one(batch: Path, sql: str) -> tuple[float, ...]:
    with sqlite3.connect(f"file:{batch / 'ledger.sqlite'}?mode=ro", uri=True) as database:
        found: tuple[float, ...] = database.execute(sql).fetchone()
        return found


async def test_what_the_page_says_of_a_run_is_what_the_service_knows_of_it(tmp_path: Path) -> None:
    rows = [
        {"id": f"r{n}", "prompt": f"prompt {n}", "resolution": ("720p", "1080p")[n % 2], "duration": ("5", "10")[n % 2]}
        for n in range(12)
    ]
    rows += [{"id": f"v{n}", "prompt": f"[violation] {n}", "resolution": "720p", "duration": "5"} for n in range(2)]
    rows += [{"id": "t", "prompt": "[fail:PROCESSING_TIMEOUT]", "resolution": "1080p", "duration": "5"}]
    rows += [{"id": "lost", "prompt": "[400] is refused unpaid", "resolution": "720p", "duration": "5"}]
    async with emulated() as emulator:
        await run(emulator, sheet(tmp_path / "s.csv", rows))
        charged = emulator.account.charged / 100
        paid = len(emulator.tasks)
    batch = tmp_path / "s.batch"
    figures = told(batch)
    videos, size, last = one(batch, "SELECT count(*), sum(bytes), max(archived_at) FROM video")
    (begun,) = one(batch, "SELECT min(submitted_at) FROM job")
    assert figures["Done"] == ("12", "of 16 rows, 75%")
    assert figures["Failed"] == ("4", "2\u00a0×\u00a0CONTENT_\u200bVIOLATION")
    assert figures["Spent"] == (money_words(charged), f"{paid} tasks at list price")
    assert (videos, paid) == (12, 15)
    assert figures["Size"][1] == f"{size / videos / 1000:.1f} kB a video"
    assert figures["Time"][1] == "in one run"
    minutes = float(figures["Throughput"][0].removesuffix(" / min").replace(",", ""))
    assert videos * 60 / minutes >= 0.95 * (last - begun)  # the time from the first to the last thing done


async def test_what_may_have_been_paid_is_told_apart_from_what_was(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "prompt": f"prompt {n}", "resolution": "720p", "duration": "5"} for n in range(3)]
    async with emulated(faults={"submit-lost": 1.0}) as emulator:
        await run(emulator, sheet(tmp_path / "s.csv", rows))
        assert emulator.account.charged == 120
        figures = told(tmp_path / "s.batch")
        assert figures["In doubt"] == ("3", "perhaps paid: $1.20")
        assert figures["Paid tasks"] == ("0", "")
        emulator.faults.shares.clear()
        await run(emulator, sheet(tmp_path / "s.csv", [*rows, {**rows[0], "id": "v", "prompt": "[violation]"}]))
    assert told(tmp_path / "s.batch")["Failed"] == ("1", "1\u00a0×\u00a0CONTENT_\u200bVIOLATION")
