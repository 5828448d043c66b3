"""Where a batch stands: what a run is still asking for, what nobody will hear the answer of, and what to do when."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from batchgen.api import Batch
from batchgen.cli import group
from batchgen.folder.lock import Lock
from batchgen.ledger import Ledger
from batchgen.model import ABANDONED, EMULATOR, State
from batchgen.steering.control import Desk
from batchgen.steering.progress import Progress
from batchgen.steering.watch import watch
from tests.e2e.program import emulated, prompts, results, run
from tests.report.batches import BEGUN, Wanted, failed, make_batch
from tests.steering.test_progress import standing


def told(*words: str | Path) -> str:
    done = CliRunner().invoke(group, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def facts(*words: str | Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(told(*words, "--json"))
    return known


async def asked_and_unheard(sheet: Path) -> Path:
    """A batch whose run was killed while it waited for the answers of three rows of five."""
    async with emulated() as emulator:
        await run(emulator, sheet)
    batch = sheet.with_suffix(".batch")
    with sqlite3.connect(batch / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE job SET state = 'submitting', task_id = NULL WHERE position <= 3")
        ledger.execute("UPDATE attempt SET task_id = NULL, outcome = NULL WHERE job IN (SELECT job FROM job "
                       "WHERE state = 'submitting')")  # fmt: skip
    return batch


async def test_status_plan_and_resolve_name_as_many_rows_in_doubt(tmp_path: Path) -> None:
    sheet = prompts(tmp_path / "p.csv", 5)
    batch = await asked_and_unheard(sheet)
    status = told("status", batch)
    assert "  3 in doubt\n" in status
    assert f"batchgen resolve {batch}" in status
    assert "flight" not in status
    assert "3 in doubt (held)" in told("plan", sheet)
    assert len(re.findall(r"^r\d: ", told("resolve", batch), re.M)) == 3
    assert (facts("status", batch)["in_doubt"], facts("status", batch)["rows"]) == (3, 5)


async def test_rows_in_doubt_that_the_sheet_has_no_longer_are_counted_too(tmp_path: Path) -> None:
    sheet = prompts(tmp_path / "p.csv", 5)
    batch = await asked_and_unheard(sheet)
    sheet.write_text(sheet.read_text().replace("prompt 0", "another"), encoding="utf-8")
    plan = told("plan", sheet)
    assert "2 in doubt (held)" in plan
    assert "1 more in doubt (held), whose rows were edited or are gone" in plan
    with sqlite3.connect(batch / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE row SET position = NULL WHERE id = 'r1'")
        ledger.execute("UPDATE job SET wanted = 0 WHERE job = (SELECT job FROM row WHERE id = 'r1')")
    status = told("status", batch)
    assert "  2 in doubt\n" in status
    assert "  1 more in doubt (held), whose rows were edited or are gone\n" in status


async def test_what_a_run_is_asking_for_is_no_doubt_yet(tmp_path: Path) -> None:
    sheet = prompts(tmp_path / "p.csv", 5)
    batch = await asked_and_unheard(sheet)
    with Lock(batch):
        assert "  3 submitting\n" in told("status", batch)
        assert "doubt" not in told("status", batch) + told("plan", sheet)
        assert (facts("status", batch)["in_doubt"], facts("status", batch)["rows"]) == (0, 5)


def test_advice_is_given_only_while_no_run_is_at_work(tmp_path: Path) -> None:
    batch = make_batch(tmp_path, [Wanted("fox", state=State.RENDERED), Wanted("owl", "owl", state=State.IN_DOUBT)])
    with Lock(batch):
        busy = Batch(batch).status()
    assert "batchgen " not in str(busy)
    assert "1 rendered" in str(busy)
    assert "batchgen rescue" in str(Batch(batch).status())
    assert "batchgen resolve" in str(Batch(batch).status())


def test_a_moment_is_told_in_one_form_everywhere(tmp_path: Path) -> None:
    """ISO 8601, in UTC, with a Z."""
    batch = make_batch(tmp_path, [Wanted("fox", state=State.RENDERED), Wanted("owl", "owl", state=State.IN_DOUBT)])
    with Ledger.open(batch / "ledger.sqlite") as ledger, ledger.database.transaction():
        ledger.database.execute("INSERT INTO attempt (job, started_at) VALUES (2, ?)", (BEGUN,))
    said = told("status", batch) + told("resolve", batch)
    moments = re.findall(r"\d{4}-\d\d-\d\d\S* ?\d\d:\d\d\S*|\d{4}-\d\d-\d\dT[^\s:]*:\d\d\S*", said)
    assert len(moments) == 2
    for moment in moments:
        assert datetime.fromisoformat(moment.rstrip(":").removesuffix("Z") + "+00:00")
        assert moment.rstrip(":").endswith("Z")


async def test_what_was_paid_for_rows_since_edited_or_deleted_is_told_and_all_else_stands_in_the_results(
    tmp_path: Path,
) -> None:
    priced = {"resolution": "720p", "duration": "5"}
    sheet = prompts(tmp_path / "p.csv", 4, **priced)
    async with emulated() as emulator:
        await run(emulator, sheet)
        assert "  4 tasks paid for (up to $1.60)\n" in told("status", tmp_path / "p.batch")
        prompts(sheet, 3, **priced)
        sheet.write_text(sheet.read_text("utf-8").replace("prompt 1", "another"), encoding="utf-8")
        await run(emulator, sheet)
    said = told("status", tmp_path / "p.batch")
    assert "  5 tasks paid for (up to $2.00, $0.80 of it for rows since edited or deleted)\n" in said
    known = facts("status", tmp_path / "p.batch")
    costs = [float(row["cost_usd"]) for row in results(tmp_path / "p.batch")]
    assert sum(costs) + known["gone_usd"] == pytest.approx(known["paid_usd"])


def test_of_a_batch_of_the_emulator_nothing_is_said_to_be_paid(tmp_path: Path) -> None:
    owl = Wanted("owl", "owl", state=State.IN_DOUBT)
    batch = make_batch(tmp_path, [Wanted("fox", state=State.RENDERED), Wanted("cat", "cat"), owl])
    assert "  2 tasks paid for (up to $0.80)\n" in told("status", batch)
    with Ledger.open(batch / "ledger.sqlite") as ledger:
        ledger.remember({"service": EMULATOR})
    assert "  2 tasks asked for (emulator: nothing was paid)\n" in told("status", batch)
    assert "all of them: 1 row (emulator: nothing is paid)" in told("resolve", batch)
    told("report", batch)
    page = (batch / "report.html").read_text("utf-8")
    shown = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert "emulator: nothing was paid" in shown
    assert "the answer was lost" in shown
    assert not re.search(r"\$|perhaps paid", shown)


def test_rows_that_were_given_up_are_told_with_what_asks_for_them_again(tmp_path: Path) -> None:
    batch = make_batch(tmp_path, [failed("a", "a", fail_code=ABANDONED), failed("b", "b")])
    status = told("status", batch)
    assert status.endswith(
        f"  1 given up by a person, and asked for again only with:\n    batchgen resolve {batch} --row ID --resubmit\n"
    )


def test_a_command_has_a_line_to_itself_and_is_quoted_for_a_shell(tmp_path: Path) -> None:
    """Forty columns would break it within a sentence."""
    owl = Wanted("owl", "owl", state=State.IN_DOUBT)
    batch = make_batch(tmp_path / "my film", [Wanted("fox", state=State.RENDERED), owl])
    commands = [line for line in (told("status", batch) + told("resolve", batch)).splitlines() if "batchgen " in line]
    assert commands == [
        f"    batchgen resolve '{batch}'",
        f"    batchgen rescue '{batch}'",
        f"    batchgen resolve '{batch}' --row ID",
    ]


def test_to_watch_a_batch_without_a_run_says_plainly_that_there_is_none(tmp_path: Path) -> None:
    batch = make_batch(tmp_path, [Wanted("fox")])
    assert f"no run is at work in {batch} now; this is how it stands:" in told("status", batch, "--watch")


def test_a_run_that_says_nothing_yet_is_told_once_and_one_that_says_nothing_more_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    shown: list[str | None] = []
    now = 1.8e9

    def later() -> Iterator[None]:
        nonlocal now
        yield
        desk.publish(standing().facts())
        yield
        now += 60
        yield
        raise KeyboardInterrupt

    between_looks = later()
    monkeypatch.setattr(time, "sleep", lambda _: next(between_looks))
    monkeypatch.setattr(time, "time", lambda: now)
    progress = SimpleNamespace(show=lambda standing: shown.append(standing.waiting), end=lambda: None)
    with Lock(tmp_path):
        desk = Desk(tmp_path)
        assert watch(tmp_path, cast(Progress, progress), said.append)
    assert (len(said), shown) == (1, [None, "the run has said nothing for 60 seconds"])


def test_the_codes_of_failures_stand_below_their_number(tmp_path: Path) -> None:
    rows = [failed("a", "a"), failed("b", "b"), Wanted("owl", "owl", state=State.IN_DOUBT)]
    assert "  2 failed\n    2 with SensitiveContentDetected\n" in told("status", make_batch(tmp_path, rows))


def test_rows_that_could_not_be_fetched_are_told_with_the_commonest_reason(tmp_path: Path) -> None:
    """The same one of every video of a host, whatever the video's path."""
    reasons = [f"cdn.example/{n}.mp4: the host answered HTTP 206" for n in range(2)] + [
        "/mnt/a: Permission denied",
        None,
    ]
    rows = [Wanted(f"r{n}", f"p{n}", state=State.RENDERED, fail_message=reason) for n, reason in enumerate(reasons)]
    batch = make_batch(tmp_path, rows)
    assert "  4 rendered (cdn.example: the host answered HTTP 206; 2 for other reasons)\n" in told("status", batch)
    reasons_told = {"cdn.example: the host answered HTTP 206": 2, "/mnt/a: Permission denied": 1}
    assert facts("status", batch)["fetch_failures"] == reasons_told
