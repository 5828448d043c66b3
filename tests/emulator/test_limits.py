from typing import Any

import pytest

from batchgen.emulator.account import AccountLimits
from batchgen.emulator.server import Emulator

from .support import KEY, HandClock, body, calling


async def test_the_minute_slides_instead_of_starting_anew() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, limits=AccountLimits(rate=3))) as caller:
        assert [(await caller.ask("x"))[0] for _ in range(1)] == [404]
        clock.pass_seconds(50)
        assert [(await caller.ask("x"))[0] for _ in range(2)] == [404, 404]
        clock.pass_seconds(10)  # the first has left the window, the other two have not
        assert [(await caller.ask("x"))[0] for _ in range(2)] == [404, 429]
        clock.pass_seconds(49.9)  # 1 and the refused one are left of the window's four
        assert (await caller.ask("x"))[0] == 429


async def test_every_request_to_the_api_counts_the_refused_ones_too_but_no_download() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, limits=AccountLimits(rate=4))) as caller:
        await caller.post(body(prompt=""))
        await caller.post(body(), headers={})
        await caller.submit()
        for _ in range(3):
            await caller.fetch(f"{caller.emulator.url}/videos/none.mp4")
            await caller.fetch(f"{caller.emulator.url}/_emulator/stats")
        await caller.ask("x")
        assert (await caller.post(body()))[0] == 429
        assert caller.emulator.stats()["worst_window"] == 5
        assert [record.status for record in caller.emulator.requests] == [400, 401, 200, 404, 429]


async def test_speed_shortens_the_minute() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, speed=60, limits=AccountLimits(rate=1))) as caller:
        assert [(await caller.ask("x"))[0] for _ in range(2)] == [404, 429]
        clock.pass_seconds(1)
        assert (await caller.ask("x"))[0] == 404


async def test_one_task_more_than_allowed_at_once_is_429_until_one_ends() -> None:
    clock = HandClock()
    limits = AccountLimits(concurrency=2)
    async with calling(Emulator(clock=clock, limits=limits, generation=(60, 60))) as caller:
        await caller.submit()
        clock.pass_seconds(30)
        await caller.submit()
        status, envelope = await caller.post(body())
        assert (status, envelope["code"], envelope["data"]) == (429, 429, None)
        clock.pass_seconds(30)
        await caller.submit()
        assert (await caller.post(body()))[0] == 429
        assert caller.emulator.stats()["peak_tasks"] == 2
        assert caller.emulator.stats()["running"] == 2


async def test_failed_tasks_make_room_as_well() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, limits=AccountLimits(concurrency=1))) as caller:
        await caller.submit(prompt="[violation]")
        assert (await caller.post(body()))[0] == 429
        clock.pass_seconds(100)
        await caller.submit()


@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        ({}, 0.40),
        ({"resolution": "720p", "duration": 10}, 0.80),
        ({"resolution": "1080p", "duration": 5}, 0.65),
        ({"resolution": "1080p", "duration": 10}, 1.30),
    ],
)
async def test_a_task_is_charged_at_acceptance_by_the_second(fields: dict[str, Any], usd: float) -> None:
    async with calling(Emulator(limits=AccountLimits(credits=10))) as caller:
        await caller.submit(**fields)
        assert caller.emulator.stats()["charged"] == usd
        url = f"{caller.emulator.url}/api/v1/apikeys/current-balance"
        async with caller.session.get(url, headers={"Authorization": KEY}) as response:
            assert await response.json() == {"code": 200, "data": round(10 - usd, 2)}


@pytest.mark.parametrize("style", ["http", "body"])
async def test_without_credits_the_answer_is_the_documents_400(style: Any) -> None:
    async with calling(Emulator(limits=AccountLimits(credits=0.81), error_style=style)) as caller:
        await caller.submit()
        await caller.submit()
        status, envelope = await caller.post(body())
        assert status == (400 if style == "http" else 200)
        assert envelope == {"code": 400, "message": "Insufficient credits", "data": None}
        assert len(caller.emulator.tasks) == 2
