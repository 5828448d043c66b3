import asyncio
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from batchgen.emulator.faults import RETRY_FORMS, Faults, Moment
from batchgen.emulator.server import Emulator
from tests.waiting import until

from .support import KEY, SUBMIT, Caller, HandClock, body, calling


async def raw_post(caller: Caller) -> bytes:
    """What comes back over the socket until the server closes or resets it."""
    host, _, port = caller.emulator.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    sent = json.dumps(body()).encode()
    head = f"POST {SUBMIT} HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("name", "accepted", "start"),
    [
        ("submit-lost", 1, b""),
        ("submit-cut", 1, b"HTTP/1.1 200 OK"),
        ("submit-idle-close", 1, b"HTTP/1.1 200 OK"),
        ("submit-dropped", 0, b""),
    ],
)
async def test_connections_close_after_or_without_accepting(name: str, accepted: int, start: bytes) -> None:
    async with calling(Emulator(faults={name: 1})) as caller:
        came = await raw_post(caller)
        assert came.startswith(start)
        assert bool(came) == bool(start)
        assert len(caller.emulator.tasks) == accepted
        assert caller.emulator.stats()["charged"] == 0.4 * accepted
        assert b"connection: close" not in came.lower()


async def test_the_cut_answer_is_shorter_than_it_says_and_the_idle_close_whole() -> None:
    async with calling(Emulator(faults={"submit-cut": 1})) as caller:
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.post(body())
    async with calling(Emulator(faults={"submit-idle-close": 1})) as caller:
        assert await caller.submit() == caller.emulator.tasks[0].id


async def test_a_reset_is_a_reset() -> None:
    async with calling(Emulator(faults={"submit-reset": 1})) as caller:
        with pytest.raises(ConnectionResetError):
            await raw_post(caller)
        assert len(caller.emulator.tasks) == 1


async def test_a_hanging_answer_ends_with_the_emulator_or_the_caller() -> None:
    emulator = Emulator(faults={"submit-hang": 1})
    async with calling(emulator) as caller:
        asking = [asyncio.create_task(raw_post(caller)) for _ in range(2)]
        await until(lambda: len(emulator.tasks) == 2)
        assert not any(one.done() for one in asking)
        asking[0].cancel()
        await until(lambda: emulator.requests[0].status == 499 or emulator.requests[1].status == 499)
        await emulator.stop()
        assert await asking[1] == b""
        await emulator.start()


@pytest.mark.parametrize(
    ("name", "accepted", "status", "text"),
    [
        ("submit-empty", 1, 200, ""),
        ("submit-html", 1, 200, "<html>"),
        ("submit-no-taskid", 1, 200, '{"code": 200, "message": "success", "data": {}}'),
        ("submit-accepted-500", 1, 500, '{"code": 500'),
        ("submit-accepted-502", 1, 502, "<html>"),
        ("submit-accepted-503", 1, 503, "<html>"),
        ("submit-accepted-504", 1, 504, "<html>"),
        ("submit-500", 0, 500, '{"code": 500'),
        ("submit-502", 0, 502, "<html>"),
        ("submit-503", 0, 503, '{"code": 503'),
        ("submit-504", 0, 504, "<html>"),
        ("submit-401", 0, 401, '{"code": 401'),
        ("submit-429", 0, 429, '{"code": 429'),
        ("submit-429-body", 0, 200, '{"code": 429'),
        ("submit-429-html", 0, 429, "<html>"),
    ],
)
async def test_answers_come_with_or_without_accepting(name: str, accepted: int, status: int, text: str) -> None:
    async with calling(Emulator(faults={name: 1})) as caller:
        headers = {"Authorization": KEY}
        url = caller.emulator.url + SUBMIT
        async with caller.session.post(url, json=body(), headers=headers) as response:
            assert response.status == status
            assert (await response.text()).startswith(text)
            assert "Retry-After" not in response.headers
        assert len(caller.emulator.tasks) == accepted
        assert caller.emulator.stats()["faults"] == {name: 1}


async def test_retry_after_comes_in_every_form() -> None:
    clock = HandClock()
    told = {}
    for form in RETRY_FORMS:
        async with calling(Emulator(clock=clock, faults={f"submit-429-{form}": 1})) as caller:
            url = caller.emulator.url + SUBMIT
            async with caller.session.post(url, json=body(), headers={"Authorization": KEY}) as response:
                assert response.status == 429
                told[form] = response.headers["Retry-After"]
            assert caller.emulator.tasks == []
    for form in ("date", "rfc850", "asctime", "past"):
        moment = parsedate_to_datetime(told.pop(form)).replace(tzinfo=UTC)
        assert moment == datetime.fromtimestamp(clock.now + (-60 if form == "past" else 2), UTC)
    assert told == {
        "seconds": "2",
        "zero": "0",
        "fraction": "1.5",
        "negative": "-5",
        "empty": "",
        "word": "soon",
        "iso": "2026-01-09T13:33:32Z",
        "huge": "99999999999",
        "digits": "２",
    }


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirected_submit_is_accepted_only_where_it_is_followed(status: int) -> None:
    async with calling(Emulator(faults={f"submit-redirect-{status}": 1})) as caller:
        url, headers = caller.emulator.url + SUBMIT, {"Authorization": KEY}
        async with caller.session.post(url, json=body(), headers=headers, allow_redirects=False) as response:
            assert response.status == status
        assert caller.emulator.tasks == []
        async with caller.session.post(url, json=body(), headers=headers) as response:
            followed = response.status == 200
        assert followed == (status in (307, 308))
        assert len(caller.emulator.tasks) == followed


async def test_a_redirect_elsewhere_leads_to_the_given_host() -> None:
    faults = {"submit-redirect-elsewhere": 1.0}
    async with calling(Emulator(faults=faults, elsewhere="https://other.invalid")) as caller:
        url, headers = caller.emulator.url + SUBMIT, {"Authorization": KEY}
        async with caller.session.post(url, json=body(), headers=headers, allow_redirects=False) as response:
            assert response.status == 307
            assert response.headers["Location"].startswith("https://other.invalid/api/v1/generateTask/")


async def test_a_slow_answer_is_a_good_one() -> None:
    async with calling(Emulator(faults={"submit-slow": 1}, speed=1000)) as caller:
        assert await caller.submit() == caller.emulator.tasks[0].id


async def test_a_wrong_request_is_refused_instead_of_accepted_with_a_fault() -> None:
    async with calling(Emulator(faults={"submit-lost": 1})) as caller:
        assert (await caller.post(body(prompt="")))[0] == 400
        assert caller.emulator.tasks == []


async def test_a_plan_says_which_request_meets_which_fault() -> None:
    seen = []

    def plan(moment: Moment) -> str | None:
        seen.append(moment)
        return "submit-503" if moment.endpoint == "submit" and moment.index == 1 else None

    async with calling(Emulator(faults=Faults(plan=plan))) as caller:
        statuses = [(await caller.post(body(prompt=prompt)))[0] for prompt in ("a", "b", "a")]
        assert statuses == [200, 503, 200]
        await caller.ask(caller.emulator.tasks[0].id)
    assert seen == [
        Moment("submit", 0, "a", 0),
        Moment("submit", 1, "b", 0),
        Moment("submit", 2, "a", 1),
        Moment("status", 0, caller.emulator.tasks[0].id, 0),
    ]
