import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from batchgen.emulator.server import Emulator
from tests.waiting import until

from .support import HandClock, body, calling


class Receiver:
    """What a caller runs to take callbacks; it answers with ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.texts: list[str] = []
        self.url = ""

    @property
    def data(self) -> list[dict[str, Any]]:
        return [json.loads(text)["data"] for text in self.texts]

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        self.texts.append(await request.text())
        return web.Response(status=self.status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/cb", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/cb"
    yield receiver
    await runner.cleanup()


def wanted(receiver: Receiver, **fields: Any) -> dict[str, Any]:
    return body({"request_type": "callback", "callback_url": receiver.url}, **fields)


@pytest.mark.parametrize("prompt", ["a lake", "a lake [violation]"])
async def test_the_status_envelope_is_posted_when_the_task_ends(receiver: Receiver, prompt: str) -> None:
    clock = HandClock()
    emulator = Emulator(clock=clock, generation=(60, 60))
    async with calling(emulator) as caller:
        _, envelope = await caller.post(wanted(receiver, prompt=prompt))
        clock.pass_seconds(60)
        await until(lambda: len(emulator.callbacks) == 1)
        (text,) = receiver.texts
        assert json.loads(text) == (await caller.ask(envelope["data"]["taskId"]))[1]
        assert emulator.callbacks[0].status == 200


@pytest.mark.parametrize("speed", [1, 10])
async def test_what_is_not_answered_with_200_comes_again_three_times(receiver: Receiver, speed: int) -> None:
    clock = HandClock()
    emulator = Emulator(clock=clock, generation=(60, 60), speed=speed)
    receiver.status = 500
    async with calling(emulator) as caller:
        await caller.post(wanted(receiver))
        for number, seconds in enumerate((60, 30, 120, 600), 1):
            clock.pass_seconds(seconds / speed - 0.01)
            await caller.ask("x")
            assert len(receiver.texts) == number - 1
            clock.pass_seconds(0.02)
            await until(lambda count=number: len(emulator.callbacks) == count)  # type: ignore[misc]
        clock.pass_seconds(10_000)
        await caller.ask("x")
        assert [record.attempt for record in emulator.callbacks] == [0, 1, 2, 3]
        assert len(set(receiver.texts)) == 1


async def test_a_repeat_that_is_taken_is_the_last(receiver: Receiver) -> None:
    clock = HandClock()
    emulator = Emulator(clock=clock)
    receiver.status = 404
    async with calling(emulator) as caller:
        await caller.post(wanted(receiver))
        clock.pass_seconds(100)
        await until(lambda: len(emulator.callbacks) == 1)
        receiver.status = 200
        clock.pass_seconds(30)
        await until(lambda: len(emulator.callbacks) == 2)
        assert [record.status for record in emulator.callbacks] == [404, 200]
        assert emulator._courier._due == []


async def test_nobody_there_is_repeated_as_well() -> None:
    clock = HandClock()
    emulator = Emulator(clock=clock)
    async with calling(emulator) as caller:
        await caller.post(body({"request_type": "callback", "callback_url": "http://127.0.0.1:1/cb"}))
        clock.pass_seconds(100)
        await until(lambda: len(emulator.callbacks) == 1)
        assert emulator.callbacks[0].status == 0
        assert len(emulator._courier._due) == 1


async def under(receiver: Receiver, name: str, count: int, seconds: float) -> list[dict[str, Any]]:
    """The data of the callbacks that came under a fault within ``seconds`` after the end."""
    clock = HandClock()
    emulator = Emulator(clock=clock, generation=(60, 60), faults={name: 1})
    async with calling(emulator) as caller:
        await caller.post(wanted(receiver))
        clock.pass_seconds(60 + seconds)
        await until(lambda: len(emulator.callbacks) == count)
        assert emulator._courier._due == []
        return receiver.data


async def test_callbacks_are_lost_or_come_twice_or_late(receiver: Receiver) -> None:
    assert await under(receiver, "callback-lost", 0, 0) == []
    first, second = await under(receiver, "callback-twice", 2, 0)
    assert first == second
    receiver.texts.clear()
    assert len(await under(receiver, "callback-late", 1, 600)) == 1


async def test_a_late_callback_has_not_come_before(receiver: Receiver) -> None:
    clock = HandClock()
    emulator = Emulator(clock=clock, generation=(60, 60), faults={"callback-late": 1})
    async with calling(emulator) as caller:
        await caller.post(wanted(receiver))
        clock.pass_seconds(659)
        await caller.ask("x")
        assert [due for due, _, _ in emulator._courier._due] == [clock.now + 1]


async def test_an_early_callback_contradicts_the_status(receiver: Receiver) -> None:
    emulator = Emulator(clock=HandClock(), faults={"callback-early": 1})
    async with calling(emulator) as caller:
        _, envelope = await caller.post(wanted(receiver))
        await until(lambda: len(receiver.texts) == 1)
        assert receiver.data[0]["state"] == "success"
        assert (await caller.data(envelope["data"]["taskId"]))["state"] == "pending"


async def test_liars_come_before_the_truth(receiver: Receiver) -> None:
    failed, true = await under(receiver, "callback-forged-failed", 2, 10)
    assert (failed["state"], true["state"]) == ("failed", "success")
    receiver.texts.clear()
    forged, true = await under(receiver, "callback-forged-url", 2, 10)
    assert "forged.invalid" in forged["resultJson"]
    assert "forged.invalid" not in true["resultJson"]


async def test_a_broken_callback_is_no_json(receiver: Receiver) -> None:
    clock = HandClock()
    emulator = Emulator(clock=clock, generation=(60, 60), faults={"callback-broken": 1})
    async with calling(emulator) as caller:
        await caller.post(wanted(receiver))
        clock.pass_seconds(60)
        await until(lambda: len(receiver.texts) == 1)
        with pytest.raises(json.JSONDecodeError):
            json.loads(receiver.texts[0])
        clock.pass_seconds(10)
        await until(lambda: len(receiver.texts) == 2)
        assert json.loads(receiver.texts[1])["data"]["state"] == "success"


async def test_after_a_restart_the_repeats_that_are_left_come(receiver: Receiver, tmp_path: Any) -> None:
    clock = HandClock()
    state = tmp_path / "state.jsonl"
    async with calling(Emulator(clock=clock, generation=(60, 60), state=state)) as caller:
        await caller.post(wanted(receiver))
    clock.pass_seconds(60 + 100)  # the attempts at 60 s and 90 s fell into the gap; the next is at 210 s
    emulator = Emulator(clock=clock, state=state)
    async with calling(emulator):
        assert [(due - clock.now, delivery.attempt) for due, _, delivery in emulator._courier._due] == [(50, 2)]
        clock.pass_seconds(50)
        await until(lambda: len(emulator.callbacks) == 1)
    again = Emulator(clock=clock, state=state)
    async with calling(again):
        assert again._courier._due == []  # it was taken
