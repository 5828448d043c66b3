"""The lane that brings home what is rendered, with steps that end when they are told to."""

import asyncio
from collections import Counter
from dataclasses import replace
from math import inf

import pytest

from batchgen.dispatch import fetcher as fetcher_module
from batchgen.dispatch.fetcher import Fetcher
from batchgen.ledger.rendered import Rendered
from batchgen.model import Job, State
from tests.ledger.test_ledger import filled, rendered


async def test_a_video_of_an_earlier_run_that_takes_hours_holds_up_no_submit() -> None:
    with filled(None, 3) as ledger:
        jobs = [rendered(ledger, completed_at) for completed_at in (1.0, 2.0, 3.0)]
        over, slow = asyncio.Event(), asyncio.Event()

        async def step(job: Job) -> Job:
            await (slow.wait() if job.key == jobs[0].key else asyncio.sleep(0))
            return ledger.save(replace(job, state=State.ARCHIVED))

        def ended(task: asyncio.Task[None] | None) -> None:
            if task is None:
                over.set()

        fetcher = Fetcher(Rendered(ledger), 2, 1.0, step=step, ended=ended, renew=lambda keys: None)
        fetcher.has_backlog = True
        lane = asyncio.create_task(fetcher.run())
        await over.wait()
        assert not fetcher.has_backlog
        assert [ledger.job(job.key).state for job in jobs] == [State.RENDERED, State.ARCHIVED, State.ARCHIVED]
        fetcher.no_more()
        slow.set()
        await lane


async def test_a_video_that_rests_keeps_the_lane_open_and_is_tried_once_it_is_due() -> None:
    with filled(None, 1) as ledger:
        rendered(ledger, 1.0)
        loop, tries = asyncio.get_running_loop(), list[tuple[float, int]]()

        async def step(job: Job) -> Job:
            tries.append((loop.time(), job.tries))
            if len(tries) < 2:
                return replace(job, tries=job.tries + 1, wait=0.05)
            return ledger.save(replace(job, state=State.ARCHIVED))

        fetcher = Fetcher(Rendered(ledger), 2, 1.0, step=step, ended=lambda task: None, renew=lambda keys: None)
        fetcher.no_more()
        await fetcher.run()
        (first, none), (second, one) = tries
        assert (none, one, second - first >= 0.05) == (0, 1, True)


async def test_while_all_places_are_taken_a_video_that_is_due_costs_no_processor_time() -> None:
    looks = 0

    class Counted(Rendered):
        def next_waking(self) -> float:
            nonlocal looks
            looks += 1
            return super().next_waking()

    with filled(None, 2) as ledger:
        resting, slow = (rendered(ledger, completed_at).key for completed_at in (1.0, 2.0))
        tries: Counter[int] = Counter()

        async def step(job: Job) -> Job:
            tries[job.key] += 1
            if job.key == resting and tries[resting] == 1:
                return replace(job, wait=0.01)
            await asyncio.sleep(0.2 if job.key == slow else 0)
            return ledger.save(replace(job, state=State.ARCHIVED))

        fetcher = Fetcher(Counted(ledger), 1, 1.0, step=step, ended=lambda task: None, renew=lambda keys: None)
        fetcher.no_more()
        await fetcher.run()
        assert tries == {resting: 2, slow: 1}
        assert looks < 50


async def test_what_was_left_while_the_host_was_gone_is_tried_once_more_when_a_video_comes() -> None:
    with filled(None, 4) as ledger:
        first, second, broken = (rendered(ledger, completed_at).key for completed_at in (1.0, 2.0, 3.0))
        tries: Counter[int] = Counter()
        is_gone, are_left = True, asyncio.Event()

        async def step(job: Job) -> Job:
            tries[job.key] += 1
            if is_gone or job.key == broken:
                return replace(job, tries=6, wait=inf)
            return ledger.save(replace(job, state=State.ARCHIVED))

        def ended(task: asyncio.Task[None] | None) -> None:
            if len(tries) == 3:
                are_left.set()

        fetcher = Fetcher(Rendered(ledger), 2, 1.0, step=step, ended=ended, renew=lambda keys: None)
        lane = asyncio.create_task(fetcher.run())
        await are_left.wait()
        is_gone = False
        last = rendered(ledger, 4.0)
        fetcher.made(last)
        fetcher.no_more()
        await lane
        assert tries == {first: 2, second: 2, broken: 2, last.key: 1}
        assert [ledger.job(key).state for key in (first, second, broken)] == [
            *[State.ARCHIVED] * 2,
            State.RENDERED,
        ]


async def test_links_that_the_ledger_must_not_have_are_remembered_until_the_video_is_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetcher_module, "FRESH_LINKS", 1)
    with filled(None, 3) as ledger:
        seen: list[tuple[str, ...]] = []

        async def step(job: Job) -> Job:
            seen.append(job.urls)
            if len(seen) == 1:
                return replace(job, urls=("renewed?signed",), wait=0.01)
            return ledger.save(replace(job, state=State.ARCHIVED))

        def ended(_: object) -> None:
            if len(seen) == 2:
                come("second?signed", 2.0)
                come("third?signed", 3.0)
                fetcher.no_more()

        def come(url: str, completed_at: float) -> None:
            fetcher.made(replace(rendered(ledger, completed_at), urls=(url,)))

        fetcher = Fetcher(Rendered(ledger), 1, 1.0, step=step, ended=ended, renew=lambda keys: None)
        come("first?signed", 1.0)
        await fetcher.run()
        bare = seen.pop()
        assert seen == [("first?signed",), ("renewed?signed",), ("second?signed",)]
        assert bare != ("third?signed",), "of a few alone"


async def test_a_video_that_is_made_again_in_the_same_run_is_fetched_again() -> None:
    with filled(None, 1) as ledger:
        rendered(ledger, 1.0)
        states = [State.PENDING, State.ARCHIVED]

        async def step(job: Job) -> Job:
            return ledger.save(replace(job, state=states.pop(0)))

        def ended(_: object) -> None:
            if len(states) == 1:
                fetcher.made(ledger.save(replace(ledger.job(1), state=State.RENDERED)))
                fetcher.no_more()

        fetcher = Fetcher(Rendered(ledger), 1, 1.0, step=step, ended=ended, renew=lambda keys: None)
        await fetcher.run()
        assert states == []


async def test_a_lane_that_has_nothing_to_do_ends_when_the_archive_is_full() -> None:
    with filled(None, 1) as ledger:
        fetcher = Fetcher(Rendered(ledger), 1, 1.0, step=_never, ended=lambda task: None, renew=lambda keys: None)
        lane = asyncio.create_task(fetcher.run())
        await asyncio.sleep(0)
        fetcher.begin_no_more()
        async with asyncio.timeout(10):
            await lane


async def _never(job: Job) -> Job:
    raise AssertionError(job)


async def test_once_the_archive_is_full_what_was_begun_is_ended_and_nothing_else_is_fetched() -> None:
    with filled(None, 5) as ledger:
        jobs = [rendered(ledger, float(n)) for n in range(5)]
        begun, over = [], asyncio.Event()

        async def step(job: Job) -> Job:
            begun.append(job.key)
            if len(begun) < 2:
                await over.wait()
            else:
                fetcher.begin_no_more()
            return ledger.save(replace(job, state=State.ARCHIVED))

        fetcher = Fetcher(Rendered(ledger), 2, 1.0, step=step, ended=lambda task: over.set(), renew=lambda keys: None)
        fetcher.no_more()
        await fetcher.run()
        assert begun == [job.key for job in jobs[:2]]
        assert [ledger.job(key).state for key in begun] == [State.ARCHIVED] * 2
