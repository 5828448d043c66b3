import json

import pytest

from batchgen.emulator.account import AccountLimits
from batchgen.emulator.server import Emulator

from .support import Caller, HandClock, calling


async def test_a_task_goes_from_pending_over_processing_to_success() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, generation=(60, 60))) as caller:
        task_id = await caller.submit()
        assert await caller.data(task_id) == {
            "taskId": task_id,
            "state": "pending",
            "createTime": 1_767_965_610_000,
        }
        clock.pass_seconds(30)
        assert (await caller.data(task_id))["state"] == "processing"
        clock.pass_seconds(29.999)
        assert (await caller.data(task_id))["state"] == "processing"
        clock.pass_seconds(0.001)
        assert await caller.data(task_id) == {
            "taskId": task_id,
            "state": "success",
            "resultJson": json.dumps(
                {"resultUrls": [f"{caller.emulator.url}/videos/{task_id}.mp4"]}, separators=(",", ":")
            ),
            "createTime": 1_767_965_610_000,
            "completeTime": 1_767_965_670_000,
            "costTime": 60_000,
        }


@pytest.mark.parametrize(("resolution", "low", "high"), [("720p", 50, 70), ("1080p", 70, 90)])
async def test_generation_takes_the_documented_time(resolution: str, low: float, high: float) -> None:
    async with calling(Emulator(clock=HandClock())) as caller:
        for _ in range(30):
            await caller.submit(resolution=resolution)
        seconds = [task.ends - task.created for task in caller.emulator.tasks]
        assert all(low <= took <= high for took in seconds)
        assert max(seconds) - min(seconds) > (high - low) / 2


async def test_speed_divides_the_generation_and_the_times_stay_consistent() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, speed=100, generation=(60, 60))) as caller:
        task_id = await caller.submit()
        clock.pass_seconds(0.61)
        data = await caller.data(task_id)
        assert data["costTime"] == data["completeTime"] - data["createTime"] == 600


async def test_the_generation_time_can_be_a_function_or_a_mark() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, generation=lambda body, _: len(body["input"]["prompt"]))) as caller:
        await caller.submit(prompt="12345")
        assert caller.emulator.tasks[0].ends == clock.now + 5
    async with calling(Emulator(clock=clock)) as caller:
        await caller.submit(prompt="x [slow:300]")
        await caller.submit(prompt="x [slow:very]")
        assert caller.emulator.tasks[0].ends == clock.now + 300
        assert caller.emulator.tasks[1].ends < clock.now + 100


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"prompt": "x [violation]"}, "CONTENT_VIOLATION", "Content does not meet safety guidelines"),
        (
            {"mode": "image-to-video", "image_urls": ["https://unreachable.example/a.png"]},
            "INVALID_IMAGE_URL",
            "Cannot access provided image URL",
        ),
        ({"prompt": "x [fail:MODEL_UNAVAILABLE]"}, "MODEL_UNAVAILABLE", "Generation failed: MODEL_UNAVAILABLE"),
    ],
)
async def test_a_failed_task_says_just_what_the_document_shows(
    fields: dict[str, object], code: str, message: str
) -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock)) as caller:
        task_id = await caller.submit(**fields)
        assert (await caller.data(task_id))["state"] == "pending"
        clock.pass_seconds(100)
        assert await caller.data(task_id) == {
            "taskId": task_id,
            "state": "failed",
            "failCode": code,
            "failMsg": message,
        }
        assert (await caller.fetch(f"{caller.emulator.url}/videos/{task_id}.mp4"))[0] == 404


async def test_marks_give_several_links_or_a_dictated_one() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, tiny=True)) as caller:
        several = await caller.submit(prompt="x [urls:2]", seed=1)
        dictated = await caller.submit(prompt="x [url:http://169.254.169.254/latest]")
        clock.pass_seconds(100)
        first, second = await caller.links(several)
        assert (await caller.fetch(first))[1] != (await caller.fetch(second))[1]
        assert await caller.links(dictated) == ["http://169.254.169.254/latest"]


async def test_links_are_404_before_the_end_and_after_fifteen_days() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, tiny=True, generation=(60, 60))) as caller:
        task_id = await caller.submit()
        link = f"{caller.emulator.url}/videos/{task_id}.mp4"
        assert (await caller.fetch(link))[0] == 404
        clock.pass_seconds(60 + 15 * 86_400 - 1)
        assert (await caller.fetch(link))[0] == 200
        clock.pass_seconds(1)
        assert (await caller.fetch(link))[0] == 404
        assert (await caller.data(task_id))["state"] == "success"


async def test_the_life_of_links_can_be_set() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, tiny=True, generation=(60, 60), link_seconds=5)) as caller:
        (link,) = await _finished(caller, clock)
        assert (await caller.fetch(link))[0] == 200
        clock.pass_seconds(5)
        assert (await caller.fetch(link))[0] == 404


async def _finished(caller: Caller, clock: HandClock) -> list[str]:
    task_id = await caller.submit()
    clock.pass_seconds(60)
    return await caller.links(task_id)


async def test_the_window_for_other_processes_shows_tasks_requests_files_and_numbers() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, tiny=True, limits=AccountLimits(credits=5))) as caller:
        task_id = await caller.submit(seed=7)
        clock.pass_seconds(100)
        (link,) = await caller.links(task_id)
        await caller.fetch(link, headers={"X-Canary": "1"})
        window = f"{caller.emulator.url}/_emulator"
        tasks, stats, requests, files = [
            json.loads((await caller.fetch(f"{window}/{name}"))[1]) for name in ("tasks", "stats", "requests", "files")
        ]
        assert [task["id"] for task in tasks] == [task_id]
        assert tasks[0]["body"]["input"]["seed"] == 7
        assert "test-key" not in json.dumps(tasks)
        assert (stats["accepted"], stats["charged"], stats["balance"]) == (1, 0.4, 4.6)
        assert stats["statuses"] == {"200": 2}
        assert stats["downloads"] == {f"/videos/{task_id}.mp4": 1}
        assert [request["method"] for request in requests] == ["POST", "GET"]
        assert files[0]["headers"]["X-Canary"] == "1"
        true = (await caller.fetch(f"{window}/videos/{task_id}.mp4"))[1]
        assert true == await caller.emulator.video(caller.emulator.tasks[0])
        assert len(caller.emulator.files) == 1
