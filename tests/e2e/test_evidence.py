"""What is known of a task whose row is in doubt is used by every run, shown, and never paid over without a word."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from batchgen.cli import group
from batchgen.emulator.faults import Moment
from batchgen.emulator.server import Emulator
from batchgen.ledger import Ledger
from tests.e2e.program import KEY, altered, batchgen, emulated, paid, prompts, results, run, wrong_files
from tests.e2e.test_callbacks import run_with_callbacks

QUICK_PATIENCE = {"batchgen.service.polling": "PATIENCE = 3", "batchgen.doubts.callbacks": "HEARTBEAT_SECONDS = 0.05"}


class Plan:
    """Loses the answer to the first submit, and says of the tasks that it hides that there is no such task."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.loses = True
        self.hides = True

    def __call__(self, moment: Moment) -> str | None:
        if moment.endpoint == "submit":
            return "submit-lost" if self.loses and moment.index == 0 else None
        is_hidden = self.hides and moment.endpoint == "status" and moment.key == self._emulator.tasks[0].id
        return "status-404" if is_hidden else None


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with emulated() as emulator:
        emulator.faults.plan = Plan(emulator)
        yield emulator


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return altered(tmp_path, QUICK_PATIENCE)


def plan(emulator: Emulator) -> Plan:
    assert isinstance(emulator.faults.plan, Plan)
    return emulator.faults.plan


async def resolve(folder: Path, *words: str) -> tuple[int, str]:
    """Its exit code, and what it says."""
    words = ("resolve", str(folder / "p.batch"), *words)
    done = await asyncio.to_thread(CliRunner(env={"APIXO_API_KEY": KEY}).invoke, group, words)
    return (2, str(done.exception)) if done.exception else (0, done.output)


async def called(emulator: Emulator, tmp_path: Path, env: dict[str, str]) -> str:
    """A batch of three rows, one in doubt, whose callback named a task that the service did not know yet."""
    ended = await run_with_callbacks(emulator, prompts(tmp_path / "p.csv", 3), **env)
    assert (ended.code, ended.summary["archived"], ended.summary["in_doubt"]) == (1, 2, 1)
    return emulator.tasks[0].id


@pytest.mark.parametrize("words", [("run", "p.csv", "--in-doubt", "resubmit"), ("rescue", "p.batch")])
async def test_a_task_that_a_callback_named_is_taken_up_by_any_later_run(
    emulator: Emulator, tmp_path: Path, env: dict[str, str], words: tuple[str, ...]
) -> None:
    await called(emulator, tmp_path, env)
    plan(emulator).hides = False
    ended = await batchgen(*words, "--base-url", emulator.url, "--json", "--first-poll", "0.3", cwd=tmp_path)
    assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 3, 3)
    assert await wrong_files(emulator, tmp_path / "p.batch") == []


async def test_a_task_that_a_callback_named_and_the_service_does_not_know_is_shown_and_left_alone(
    emulator: Emulator, tmp_path: Path, env: dict[str, str]
) -> None:
    task = await called(emulator, tmp_path, env)
    row = results(tmp_path / "p.batch")[0]
    assert f"named the task {task}" in (await resolve(tmp_path))[1]
    told = json.loads((await resolve(tmp_path, "--json"))[1])["in_doubt"]
    assert [(each["id"], [attempt["task_id"] for attempt in each["attempts"]]) for each in told] == [("r0", [task])]

    ended = await run(emulator, tmp_path / "p.csv", "--in-doubt", "resubmit", **env)
    assert (ended.summary["in_doubt"], len(emulator.tasks), row["status"]) == (1, 3, "in_doubt")
    assert "1 row in doubt is left alone: its callback came" in ended.err
    code, said = await resolve(tmp_path, "--resubmit", "--all")
    assert (code, said.startswith("1 row in doubt is left alone")) == (0, True)

    _, said = await resolve(tmp_path, "--resubmit", "--row", "r0")
    assert "r0: its callback came, so that the service has accepted it: to ask for it again pays twice" in said
    plan(emulator).hides = False
    ended = await run(emulator, tmp_path / "p.csv")  # asks once more before it pays
    assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 3, 3)


async def test_a_row_whose_callback_came_is_paid_for_again_only_if_it_is_named(
    emulator: Emulator, tmp_path: Path, env: dict[str, str]
) -> None:
    await called(emulator, tmp_path, env)
    await resolve(tmp_path, "--resubmit", "--row", "r0")
    ended = await run(emulator, tmp_path / "p.csv")
    assert (ended.code, ended.summary["archived"], len(paid(emulator)["prompt 0"])) == (0, 3, 2)


async def forgotten(emulator: Emulator, tmp_path: Path, env: dict[str, str]) -> str:
    """A batch of three rows, one of whose tasks the service does not know any more."""
    plan(emulator).loses = False
    ended = await run(emulator, prompts(tmp_path / "p.csv", 3), **env)
    assert (ended.code, ended.summary["archived"], ended.summary["in_doubt"]) == (1, 2, 1)
    return emulator.tasks[0].id


async def test_a_task_that_the_service_never_knows_again_is_in_doubt_with_its_id_and_the_reason(
    emulator: Emulator, tmp_path: Path, env: dict[str, str]
) -> None:
    task = await forgotten(emulator, tmp_path, env)
    told = f"accepted as the task {task}, which the service no longer knows (Task not found)"
    assert told in (await resolve(tmp_path))[1]
    assert results(tmp_path / "p.batch")[0]["task_id"] == task
    attach = ("--row", "r0", "--attach", task, "--base-url", emulator.url)
    code, said = await resolve(tmp_path, *attach)
    assert (code, "does not know the task" in said) == (2, True)
    plan(emulator).hides = False
    assert (await resolve(tmp_path, *attach))[0] == 0
    assert ((await run(emulator, tmp_path / "p.csv")).code, len(emulator.tasks)) == (0, 3)


async def test_a_task_that_the_service_knows_again_is_fetched_by_the_next_run(
    emulator: Emulator, tmp_path: Path, env: dict[str, str]
) -> None:
    await forgotten(emulator, tmp_path, env)
    still = await run(emulator, tmp_path / "p.csv", **env)
    assert (still.code, still.summary["in_doubt"], len(emulator.tasks)) == (1, 1, 3)
    plan(emulator).hides = False
    assert ((await run(emulator, tmp_path / "p.csv")).code, len(emulator.tasks)) == (0, 3)
    assert await wrong_files(emulator, tmp_path / "p.batch") == []


@pytest.mark.parametrize(("by_name", "knows_again"), [(True, True), (False, True), (False, False)])
async def test_a_task_that_is_to_be_asked_for_again_is_asked_about_once_more(
    emulator: Emulator, tmp_path: Path, env: dict[str, str], by_name: bool, knows_again: bool
) -> None:
    await forgotten(emulator, tmp_path, env)
    plan(emulator).hides = not knows_again
    if by_name:
        assert (await resolve(tmp_path, "--resubmit", "--row", "r0"))[0] == 0
    ended = await run(emulator, tmp_path / "p.csv", *(() if by_name else ("--in-doubt", "resubmit")))
    assert (ended.code, ended.summary["archived"]) == (0, 3)
    assert len(emulator.tasks) == (3 if knows_again else 4)


async def test_every_resubmission_is_on_record(emulator: Emulator, tmp_path: Path) -> None:
    await run(emulator, prompts(tmp_path / "p.csv", 1))
    await run(emulator, tmp_path / "p.csv", "--in-doubt", "resubmit")
    with Ledger.open(tmp_path / "p.batch" / "ledger.sqlite", read_only=True) as ledger:
        found = ledger.database.execute("SELECT action, detail FROM decision").fetchall()
    assert found == [("resubmit", "--in-doubt resubmit")]
