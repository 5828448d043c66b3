import json
from typing import Any

import aiohttp
import pytest

from batchgen.emulator.server import Emulator

from .support import KEY, STATUS, Caller, HandClock, calling


async def ended(caller: Caller, clock: HandClock) -> str:
    task_id = await caller.submit()
    clock.pass_seconds(100)
    return task_id


async def answered(name: str) -> tuple[int, str]:
    """The status and the text with which a finished task is answered under a fault."""
    clock = HandClock()
    async with calling(Emulator(clock=clock, faults={name: 1})) as caller:
        task_id = await ended(caller, clock)
        url = f"{caller.emulator.url}{STATUS}?taskId={task_id}"
        async with caller.session.get(url, headers={"Authorization": KEY}) as response:
            return response.status, await response.text()


@pytest.mark.parametrize(
    ("name", "status", "start"),
    [
        ("status-500", 500, '{"code": 500'),
        ("status-502", 502, "<html>"),
        ("status-404", 404, '{"code": 404'),
        ("status-429", 429, '{"code": 429'),
        ("status-html", 200, "<html>"),
    ],
)
async def test_questions_get_errors(name: str, status: int, start: str) -> None:
    code, text = await answered(name)
    assert code == status
    assert text.startswith(start)


async def test_garbage_begins_like_json_and_is_none() -> None:
    status, text = await answered("status-garbage")
    assert (status, text[0]) == (200, "{")
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


async def test_a_closed_connection_is_no_answer() -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await answered("status-close")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("status-unknown-state", {"state": "queued"}),
        ("status-late", {"state": "processing"}),
        ("status-no-result", {"state": "success"}),
        ("status-zero-urls", {"state": "success", "resultJson": '{"resultUrls":[]}'}),
    ],
)
async def test_the_data_of_a_finished_task_is_spoilt(name: str, expected: dict[str, Any]) -> None:
    data = json.loads((await answered(name))[1])["data"]
    assert {field: data.get(field) for field in ("state", "resultJson")} == {"resultJson": None} | expected


async def test_result_json_is_invalid_or_an_object() -> None:
    text = json.loads((await answered("status-invalid-result"))[1])["data"]["resultJson"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    result = json.loads((await answered("status-object-result"))[1])["data"]["resultJson"]
    assert list(result) == ["resultUrls"]


async def test_a_task_may_be_unknown_at_first() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, faults={"status-unknown-at-first": 1})) as caller:
        task_id = await ended(caller, clock)
        assert [(await caller.ask(task_id))[0] for _ in range(5)] == [404, 404, 404, 200, 200]


async def test_rotated_links_make_those_before_them_403() -> None:
    clock = HandClock()
    async with calling(Emulator(clock=clock, tiny=True, faults={"status-rotate": 1})) as caller:
        task_id = await ended(caller, clock)
        (old,) = await caller.links(task_id)
        assert (await caller.fetch(old))[0] == 200
        (new,) = await caller.links(task_id)
        assert (await caller.fetch(old))[0] == 403
        assert (await caller.fetch(new))[0] == 200
