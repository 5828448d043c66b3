from pathlib import Path

from batchgen.emulator.account import AccountLimits
from batchgen.emulator.server import Emulator

from .support import HandClock, body, calling


async def test_after_a_restart_tasks_go_on_by_the_clock_and_count_against_the_limits(tmp_path: Path) -> None:
    clock = HandClock()
    state = tmp_path / "deep" / "state.jsonl"
    limits = AccountLimits(concurrency=2, credits=1.2)
    async with calling(Emulator(clock=clock, tiny=True, state=state, generation=(60, 60), limits=limits)) as caller:
        first = await caller.submit(seed=3)
        clock.pass_seconds(30)
        second = await caller.submit(prompt="[violation]")
        before = caller.emulator.tasks
        true = await caller.emulator.video(before[0])
    clock.pass_seconds(15)
    async with calling(Emulator(clock=clock, tiny=True, state=state, limits=limits)) as caller:
        assert [task.facts() for task in caller.emulator.tasks] == [task.facts() for task in before]
        assert (await caller.data(first))["state"] == "processing"
        assert (await caller.post(body()))[0] == 429
        clock.pass_seconds(15)
        data = await caller.data(first)
        assert (data["state"], data["costTime"]) == ("success", 60_000)
        assert (await caller.fetch((await caller.links(first))[0])) == (200, true)
        clock.pass_seconds(30)
        assert (await caller.data(second))["failCode"] == "CONTENT_VIOLATION"
        await caller.submit()
        assert (await caller.post(body()))[1]["message"] == "Insufficient credits"


async def test_a_task_is_in_the_file_before_its_answer_is_out(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    async with calling(Emulator(state=state)) as caller:
        task_id = await caller.submit()
        assert task_id in state.read_text("utf-8")


async def test_the_key_is_not_in_the_file(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    async with calling(Emulator(state=state)) as caller:
        await caller.submit()
        assert "test-key" not in state.read_text("utf-8")


async def test_a_line_cut_by_a_kill_is_dropped_and_the_file_goes_on(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    async with calling(Emulator(state=state)) as caller:
        first = await caller.submit()
    with state.open("a", encoding="utf-8") as file:
        file.write('{"task": {"id": "task_')
    async with calling(Emulator(state=state)) as caller:
        second = await caller.submit()
    async with calling(Emulator(state=state)) as caller:
        assert [task.id for task in caller.emulator.tasks] == [first, second]


async def test_the_same_emulator_started_again_knows_its_tasks_without_a_file() -> None:
    emulator = Emulator()
    async with calling(emulator) as caller:
        task_id = await caller.submit()
        address, authorization = emulator.url, emulator.tasks[0].authorization
        await emulator.stop()
        await emulator.start(port=int(address.rpartition(":")[2]))
        assert emulator.url == address
        assert (await caller.ask(task_id))[0] == 200
        assert emulator.tasks[0].authorization == authorization


async def test_without_a_file_a_new_emulator_knows_nothing() -> None:
    async with calling(Emulator()) as caller:
        task_id = await caller.submit()
    async with calling(Emulator()) as caller:
        assert (await caller.ask(task_id))[0] == 404
