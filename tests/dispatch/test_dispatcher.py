"""Many jobs: what is asked first, how submitting stops, and what a callback does; in virtual time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from math import inf
from typing import Any

import pytest

from batchgen.account import Account
from batchgen.account.account import TROUBLE_BEFORE_PAUSE
from batchgen.account.harvest import FAILURES_BEFORE_PAUSE, PATIENCE_SECONDS
from batchgen.dispatch.dispatcher import Dispatcher, Stop
from batchgen.errors import AccountError, ArchiveError, BatchgenError, LedgerError, LimitReachedError
from batchgen.model import Job, State
from batchgen.service.polling import PATIENCE, Polling
from tests.simulation import clock
from tests.simulation.service import Service, Terms
from tests.simulation.world import REQUEST, MemoryLedger, MemoryPipeline, Set, simulate


class Stage:
    """A batch on a simulated service, and what happens meanwhile."""

    ended = 0.0  # when, in seconds

    def __init__(
        self,
        rows: int,
        seconds: float = 60.0,
        tasks: int = 10,
        changed: Callable[[Job, Job], None] = lambda before, after: None,
        **settings: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.stopped_seconds = 0.0  # that the process was stopped for
        self.service = Service(Terms(tasks=tasks), [seconds] * rows)
        self.account = Account(10_000, tasks, lambda: loop.time() - self.stopped_seconds)
        self.ledger = MemoryLedger(rows)
        self.pipeline = MemoryPipeline(self.ledger, self.account, self.service)
        parts: tuple[Any, ...] = (self.ledger, self.ledger, self.account, Polling(), self.pipeline)
        self.dispatcher = Dispatcher(*parts, downloads=1, changed=changed, **settings)

    def sleep(self, seconds: float) -> None:
        """The process is stopped for so long."""
        self.stopped_seconds += seconds
        loop = asyncio.get_running_loop()
        assert isinstance(loop, clock.VirtualLoop)
        loop.jump(seconds)


def play(
    rows: int,
    *scenes: tuple[float, Callable[[Stage], object]],
    before: Callable[[Stage], object] = lambda stage: None,
    **settings: Any,
) -> Stage:
    """Run a batch; at each time a scene happens."""

    async def main() -> Stage:
        stage = Stage(rows, **settings)
        before(stage)
        for when, scene in scenes:
            asyncio.get_running_loop().call_later(when, scene, stage)
        await stage.dispatcher.run()
        stage.ended = asyncio.get_running_loop().time()
        return stage

    return clock.run(main())


def test_every_job_is_made() -> None:
    assert play(25).pipeline.accepted == 25


def test_what_may_not_submit_ends_without_a_post() -> None:
    assert play(25, may_submit=False).service.seen.posts == 0


def test_a_stop_submits_nothing_more_and_brings_home_what_is_paid() -> None:
    stage = play(25, (5.0, lambda stage: stage.dispatcher.stop(Stop("enough", 4))))
    assert stage.pipeline.accepted == 10
    assert stage.account.tasks == 0


@pytest.mark.parametrize(
    ("error", "halted", "code"),
    [
        (LimitReachedError("the budget is used up"), False, 4),
        (ArchiveError("no room", full=True), False, 1),
        (LedgerError("the disk is full"), True, 1),
    ],
)
def test_what_forbids_a_task_stops_submitting(error: BatchgenError, halted: bool, code: int) -> None:
    def forbid(stage: Stage) -> None:
        def intend(job: Job) -> Job:
            raise error

        stage.pipeline.intend = intend  # type: ignore[method-assign]

    stage = play(25, (5.0, forbid))
    assert stage.dispatcher.stopped == Stop(str(error), code)
    assert stage.dispatcher.is_halted == halted
    assert stage.service.seen.posts == 10


def test_once_the_archive_is_full_no_other_video_is_fetched_and_no_task_asked_for() -> None:
    fetched = []

    def fill(stage: Stage) -> None:
        step = stage.pipeline.step

        async def refusing(job: Job) -> Job:
            if job.state is not State.RENDERED:
                return await step(job)
            fetched.append(job.key)
            raise ArchiveError("no room", full=True)

        stage.pipeline.step = refusing  # type: ignore[method-assign]

    stage = play(25, before=fill)
    assert len(fetched) == 1
    assert stage.service.seen.posts < 25
    assert stage.dispatcher.stopped == Stop("no room", 1)


def test_a_pause_submits_nothing_and_polls_on() -> None:
    posts = []
    stage = play(
        20,
        (5.0, lambda stage: stage.dispatcher.asker.pause()),
        (300.0, lambda stage: posts.append((stage.service.seen.posts, stage.account.tasks))),
        (300.0, lambda stage: stage.dispatcher.asker.go()),
    )
    assert posts == [(10, 0)]
    assert stage.pipeline.accepted == 20


def test_a_long_pause_is_not_taken_for_a_silence_of_the_service() -> None:
    def lose_one(stage: Stage) -> None:
        stage.service.terms = replace(stage.service.terms, lost=(3000.0, 3001.0))

    stage = play(
        20,
        (5.0, lambda stage: stage.dispatcher.asker.pause()),
        (3000.0, lambda stage: stage.dispatcher.asker.go()),
        before=lose_one,
    )
    assert stage.service.seen.lost
    assert stage.dispatcher.stopped is None


def test_a_task_is_not_given_up_for_the_time_that_the_process_was_stopped() -> None:
    """The network is not back at once, so that the first questions afterwards fail."""
    hours = 2 * PATIENCE * Polling().first
    ends = []

    def network(stage: Stage, broken: float) -> None:
        stage.service.terms = replace(stage.service.terms, broken=broken)

    play(
        10,
        (30.0, lambda stage: network(stage, 1.0)),
        (30.0, lambda stage: stage.sleep(hours)),
        (hours + 40.0, lambda stage: network(stage, 0.0)),
        changed=lambda before, after: ends.append(after.state),
    )
    assert ends.count(State.ARCHIVED) == 10


def test_a_pause_with_nothing_left_to_submit_holds_no_run() -> None:
    stage = play(10, (5.0, lambda stage: stage.dispatcher.asker.pause()))
    assert stage.pipeline.accepted == 10


def test_a_run_goes_on_with_other_limits() -> None:
    running = []
    play(
        60,
        (5.0, lambda stage: stage.dispatcher.asker.retune(concurrency=3)),
        (200.0, lambda stage: running.append(stage.account.tasks)),
    )
    assert running == [3]


def test_a_callback_frees_its_slot_before_the_task_is_asked_about() -> None:
    slots = []

    def tell(stage: Stage) -> None:
        stage.dispatcher.asker.in_flight.hasten(0)
        slots.append(stage.account.tasks)

    stage = play(20, (60.3, tell), callbacks=True)
    assert slots == [9]
    assert stage.pipeline.accepted == 20
    assert stage.account.tasks == 0


def test_a_callback_that_lies_leaves_the_slot_taken() -> None:
    slots = []
    stage = play(
        11,
        (20.0, lambda stage: stage.dispatcher.asker.pause()),
        (30.0, lambda stage: stage.dispatcher.asker.in_flight.hasten(0)),
        (30.5, lambda stage: slots.append(stage.account.tasks)),
        (31.0, lambda stage: stage.dispatcher.asker.go()),
        callbacks=True,
    )
    assert slots == [10]
    assert stage.service.seen.most_tasks <= 10


def test_a_task_that_a_callback_brought_before_the_run_began_holds_one_slot_and_gives_it_back() -> None:
    def bring(stage: Stage) -> None:
        job = Job(99, REQUEST, State.IN_FLIGHT, task_id="99", submitted_at=time.time())
        others = stage.pipeline.step

        async def step(job: Job) -> Job:
            is_polled = job.key == 99 and job.state is State.IN_FLIGHT
            return stage.ledger.save(replace(job, state=State.RENDERED)) if is_polled else await others(job)

        stage.pipeline.step = step  # type: ignore[method-assign]
        stage.ledger.in_flight = lambda: iter([job])  # type: ignore[method-assign]
        stage.dispatcher.asker.adopt(replace(job, state=State.IN_DOUBT), job)

    stage = play(5, tasks=2, before=bring)
    assert (stage.pipeline.accepted, stage.account.tasks) == (5, 0)


def test_a_doubt_that_a_callback_settles_holds_its_slot_no_longer() -> None:
    accepted = []

    def doubt(stage: Stage) -> None:
        stage.ledger.doubtful_since = lambda moment: [(-n, time.time()) for n in range(10)]  # type: ignore[method-assign]
        others = stage.pipeline.step

        async def step(job: Job) -> Job:
            is_polled = job.key == -7 and job.state is State.IN_FLIGHT
            return stage.ledger.save(replace(job, state=State.RENDERED)) if is_polled else await others(job)

        stage.pipeline.step = step  # type: ignore[method-assign]

    def settle(stage: Stage) -> None:
        job = Job(-7, REQUEST, State.IN_FLIGHT, task_id="7", submitted_at=time.time())
        stage.dispatcher.asker.adopt(replace(job, state=State.IN_DOUBT), job)

    look = (20.0, lambda stage: accepted.append(stage.pipeline.accepted))
    stage = play(15, (5.0, settle), look, before=doubt)
    assert accepted == [1]
    assert (stage.pipeline.accepted, stage.account.tasks) == (15, 0)


def test_a_clock_of_the_day_that_was_set_back_holds_no_slot_of_a_doubt_for_longer() -> None:
    def set_back(stage: Stage) -> None:
        stage.ledger.doubtful_since = lambda moment: [(-n, time.time() + 86_400.0) for n in range(10)]  # type: ignore[method-assign]

    stage = play(20, before=set_back)
    assert stage.pipeline.accepted == 20
    assert stage.ended < Polling().doubt + 200


@pytest.mark.parametrize(("lost_from", "least"), [(5.0, 1800.0), (0.0, 600.0)])
def test_a_service_that_takes_no_task_for_good_is_given_up_in_time_however_long_the_pauses_are(
    lost_from: float, least: float
) -> None:
    def break_it(stage: Stage) -> None:
        stage.service.terms = replace(stage.service.terms, lost=(lost_from, inf))

    stage = play(100, before=break_it)
    assert stage.dispatcher.stopped
    assert stage.dispatcher.stopped.reason.startswith("no good answer from the service for")
    assert stage.dispatcher.stopped.reason.endswith("(HTTP 500)")
    assert least < stage.ended < least + 100
    assert len(stage.service.seen.lost) < 5 + 10 + 12


def test_who_halts_sends_nothing_more_that_has_not_left() -> None:
    stage = play(10, (5.0, lambda stage: stage.dispatcher.halt(Stop("enough", 130))))
    assert stage.pipeline.sends_no_more


def test_when_the_account_is_refused_what_failed_for_it_is_told_to_be_pending_again() -> None:
    changes: list[tuple[int, State, State]] = []

    def refuse(stage: Stage) -> None:
        async def step(job: Job) -> Job:
            raise AccountError("the service refuses the account")

        failed = Job(99, REQUEST, State.FAILED)
        stage.pipeline.step = step  # type: ignore[method-assign]
        stage.pipeline.acquit = lambda: [(failed, replace(failed, state=State.PENDING))]  # type: ignore[method-assign]

    stage = play(1, before=refuse, changed=lambda before, after: changes.append((after.key, before.state, after.state)))
    assert stage.dispatcher.stopped == Stop("the service refuses the account", 3)
    assert stage.pipeline.sends_no_more
    assert (99, State.FAILED, State.PENDING) in changes


def test_unknown_callbacks_are_ignored() -> None:
    stage = play(5, (1.0, lambda stage: stage.dispatcher.asker.in_flight.hasten(99)), callbacks=True)
    assert stage.account.tasks == 0


def test_a_clock_of_the_day_that_jumps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    day, jumps = time.time(), cycle((1, -1, 0))
    calm = play(20).service.seen
    monkeypatch.setattr(time, "time", lambda: day + 86_400 * next(jumps))
    assert play(20).service.seen.calls == calm.calls


def test_submits_are_not_starved_by_polls_nor_polls_by_submits() -> None:
    stage = play(3000, seconds=2.0, tasks=1000)
    assert stage.pipeline.accepted == 3000
    assert stage.service.seen.status_calls >= 3000
    assert not stage.service.seen.refused


@pytest.mark.parametrize("rows", [2, 6])
def test_tasks_that_never_end_hold_up_no_other_and_no_end(rows: int) -> None:
    told = simulate([1e9] * 2 + [60.0] * (rows - 2), Terms(), Set(concurrency=2))
    assert told.accepted == rows


@pytest.mark.parametrize("state", ["submitting", "in_flight", "rendered"])
def test_a_mistake_of_ours_in_one_job_leaves_the_others_alone(state: str) -> None:
    def err(stage: Stage) -> None:
        step = stage.pipeline.step

        async def stumble(job: Job) -> Job:
            if job.key == 7 and job.state.value == state:
                raise RuntimeError("nobody foresaw this")
            return await step(job)

        stage.pipeline.step = stumble  # type: ignore[method-assign]

    stage = play(25, (0.0, err), seconds=60.0)
    assert stage.service.seen.posts == (24 if state == "submitting" else 25)
    assert stage.dispatcher.stopped is None


def test_a_mistake_of_ours_in_every_submit_does_not_pay_for_row_after_row() -> None:
    posts = []

    def err(stage: Stage) -> None:
        step = stage.pipeline.step

        async def stumble(job: Job) -> Job:
            await step(job)
            raise RuntimeError("nobody foresaw this")

        stage.pipeline.step = stumble  # type: ignore[method-assign]

    play(500, (5.0, err), (900.0, lambda stage: posts.append(stage.service.seen.posts)), tasks=100)
    assert posts[0] < 150


def stumbling(state: State, until: float = inf) -> Callable[[Stage], None]:
    """A mistake of ours in each step from that state, until then."""

    def err(stage: Stage) -> None:
        step = stage.pipeline.step

        async def stumble(job: Job) -> Job:
            if job.state is state and asyncio.get_running_loop().time() < until:
                raise RuntimeError("nobody foresaw this")
            return await step(job)

        stage.pipeline.step = stumble  # type: ignore[method-assign]

    return err


@pytest.mark.parametrize("tasks", [1, 10, 100])
@pytest.mark.parametrize("state", [State.IN_FLIGHT, State.RENDERED])
def test_a_run_that_gets_nothing_for_what_it_pays_pays_for_no_row_after_row_and_ends(state: State, tasks: int) -> None:
    stage = play(500, before=stumbling(state), tasks=tasks)
    assert FAILURES_BEFORE_PAUSE <= stage.pipeline.accepted < FAILURES_BEFORE_PAUSE + tasks + 10
    assert stage.dispatcher.stopped
    assert stage.dispatcher.stopped.exit_code == 1
    assert stage.dispatcher.stopped.reason.startswith("nothing came of the last ")
    assert stage.dispatcher.stopped.reason.endswith(" tasks (a mistake in batchgen itself; run.log has it)")
    assert PATIENCE_SECONDS < stage.ended < PATIENCE_SECONDS + FAILURES_BEFORE_PAUSE * 70 / tasks + 1000


@pytest.mark.parametrize("ends", [Dispatcher.stop, Dispatcher.halt])
@pytest.mark.parametrize(("until", "code"), [(inf, 1), (300.0, 4)])
def test_a_limit_of_the_users_is_no_success_where_nothing_came_of_what_was_paid_for(
    ends: Callable[[Dispatcher, Stop], None], until: float, code: int
) -> None:
    stop = Stop("--budget 10 is reached", 4)
    stage = play(
        500, (1000.0, lambda stage: ends(stage.dispatcher, stop)), before=stumbling(State.RENDERED, until), tasks=3
    )
    assert stage.dispatcher.stopped
    assert stage.dispatcher.stopped.exit_code == code
    assert ("; nothing came of the last " in stage.dispatcher.stopped.reason) == (code == 1)


@pytest.mark.parametrize("ends", [Dispatcher.stop, Dispatcher.halt])
@pytest.mark.parametrize(("begins", "until", "code"), [(0.0, inf, 1), (100.0, inf, 1), (100.0, 200.0, 4)])
def test_a_limit_of_the_users_is_no_success_where_the_service_does_not_answer(
    ends: Callable[[Dispatcher, Stop], None], begins: float, until: float, code: int
) -> None:
    def break_off(stage: Stage) -> None:
        stage.service.terms = replace(stage.service.terms, lost=(begins, until))

    stop = Stop("--deadline 06:00 is reached", 4)
    stage = play(500, (500.0, lambda stage: ends(stage.dispatcher, stop)), before=break_off, tasks=3)
    assert stage.dispatcher.stopped
    assert stage.dispatcher.stopped.exit_code == code
    assert ("; no good answer from the service for " in stage.dispatcher.stopped.reason) == (code == 1)


def test_a_limit_of_the_users_is_no_success_where_only_tasks_are_asked_for_in_vain() -> None:
    def fail_to_ask(stage: Stage) -> None:
        for _ in range(FAILURES_BEFORE_PAUSE):
            stage.account.posts.failed("no answer", may_be_paid=True)

    stop = Stop("--budget 10 is reached", 4)
    stage = play(25, (5.0, fail_to_ask), (5.1, lambda stage: stage.dispatcher.halt(stop)))
    assert stage.dispatcher.stopped == Stop(
        "--budget 10 is reached; to ask for a task brings no clear answer (no answer)", 1
    )


@pytest.mark.parametrize(("tried_at", "code"), [(inf, 4), (58.0, 1)])
def test_a_drain_during_an_outage_that_is_over_by_the_end_is_as_any_other(tried_at: float, code: int) -> None:
    def fail_to_ask(stage: Stage) -> None:
        for _ in range(TROUBLE_BEFORE_PAUSE + 1):
            stage.account.post_trouble("connection refused", may_be_paid=False)

    stop = Stop("batchgen ctl --drain", 4)
    stage = play(25, (5.0, fail_to_ask), (5.1, lambda stage: stage.dispatcher.stop(stop)), (tried_at, fail_to_ask))
    assert stage.ended > 58.0
    assert stage.dispatcher.stopped
    assert (stage.dispatcher.stopped == stop, stage.dispatcher.stopped.exit_code) == (code == 4, code)


def test_a_run_that_gets_videos_again_goes_on_by_itself() -> None:
    stage = play(500, before=stumbling(State.RENDERED, until=600.0))
    assert (stage.pipeline.accepted, stage.dispatcher.stopped) == (500, None)
    assert len([begun for begun in stage.service.starts if begun < 600.0]) < FAILURES_BEFORE_PAUSE + 10 + 4


def test_a_run_that_a_person_paused_while_nothing_came_tries_again_when_told_to_go_on() -> None:
    stage = play(
        100,
        (700.0, lambda stage: stage.dispatcher.asker.pause()),
        (700.0 + 2 * PATIENCE_SECONDS, lambda stage: stage.dispatcher.asker.go()),
        before=stumbling(State.RENDERED, until=1000.0),
    )
    assert (stage.pipeline.accepted, stage.dispatcher.stopped) == (100, None)


def test_tasks_that_never_end_are_not_paid_for_hour_after_hour() -> None:
    def bear_all(stage: Stage) -> None:
        stage.service.terms = replace(stage.service.terms, tasks=500)

    stage = play(500, seconds=1e9, before=bear_all)
    assert FAILURES_BEFORE_PAUSE <= stage.pipeline.accepted < FAILURES_BEFORE_PAUSE + 10 + 2
    assert stage.dispatcher.stopped
    assert stage.dispatcher.stopped.reason.startswith("nothing came of the last 20 tasks (a task has not ended in all")


@pytest.mark.parametrize(
    ("state", "code", "least", "most"),
    [
        (State.FAILED, "MODEL_UNAVAILABLE", 20, 40),
        (State.IN_DOUBT, None, 20, 40),
        (State.FAILED, "CONTENT_VIOLATION", 200, 200),
        (State.FAILED, "GENERATION_FAILED", 200, 200),
    ],
)
def test_tasks_that_fail_one_and_all_hold_a_run_back_unless_it_is_for_their_rows(
    state: State, code: str | None, least: int, most: int
) -> None:
    def fail(stage: Stage) -> None:
        step = stage.pipeline.step

        async def failing(job: Job) -> Job:
            after = await step(job)
            return replace(after, state=state, fail_code=code) if after.state is State.RENDERED else after

        stage.pipeline.step = failing  # type: ignore[method-assign]

    assert least <= play(200, before=fail).pipeline.accepted <= most


def test_a_task_that_the_service_does_not_know_teaches_nothing_and_holds_its_slot_a_while() -> None:
    asked: list[float] = []

    def forget(stage: Stage) -> None:
        async def step(job: Job) -> Job:
            if job.state is not State.IN_FLIGHT:
                return await ask(job)
            asked.append(asyncio.get_running_loop().time())
            state = State.IN_FLIGHT if len(asked) < 20 else State.IN_DOUBT
            return replace(job, state=state, missing_since=0.0, wait=1000.0)

        ask = stage.pipeline.step
        stage.pipeline.step = step  # type: ignore[method-assign]

    stage = play(1, (0.0, forget))
    table = stage.dispatcher._polling.usual()
    assert (len(asked), table.ends, any(table._alive_steps)) == (20, 0, False)
    assert asked[-1] > PATIENCE * 50.0  # it is its own step that gives it up
    assert stage.account.tasks == 1


def test_what_is_to_be_known_first_is_known_before_anything_is_submitted() -> None:
    async def first(adopt: object) -> None:
        await asyncio.sleep(100.0)

    assert min(play(3, first=first).service.starts) > 100.0


def test_a_key_that_is_refused_before_anything_is_submitted_stops_the_run() -> None:
    async def first(adopt: object) -> None:
        raise AccountError("the service refuses the key")

    stage = play(3, first=first)
    assert (stage.dispatcher.stopped, stage.service.seen.posts) == (Stop("the service refuses the key", 3), 0)


def test_a_key_that_is_refused_for_good_keeps_no_run_waiting_for_what_is_in_flight() -> None:
    """Each refusal is followed by a pause: to ask about each task a few times took half an hour."""

    def refuse(stage: Stage) -> None:
        async def step(job: Job) -> Job:
            if job.state is not State.IN_FLIGHT:
                return await others(job)
            stage.account.trouble("no such key")
            raise AccountError("the service refuses the key")

        others, stage.pipeline.step = stage.pipeline.step, step  # type: ignore[method-assign]
        stage.ledger.job = lambda key: Job(key, REQUEST, State.IN_FLIGHT)  # type: ignore[method-assign]

    stage = play(100, (40.0, refuse), tasks=100)
    assert stage.dispatcher.stopped == Stop("the service refuses the key", 3)
    assert stage.ended < 100


def test_videos_whose_links_were_refused_for_a_while_are_tried_once_more_when_one_comes() -> None:
    ends: dict[int, list[State]] = {}

    def note(before: Job, after: Job) -> None:
        ends.setdefault(after.key, []).append(after.state)

    def refuse(stage: Stage) -> None:
        async def step(job: Job) -> Job:
            is_refused = asyncio.get_running_loop().time() < 100.0 or job.key == 3
            fetched = replace(job, state=State.EXPIRED if is_refused else State.ARCHIVED)
            return stage.ledger.save(fetched) if job.state is State.RENDERED else await others(job)

        others, stage.pipeline.step = stage.pipeline.step, step  # type: ignore[method-assign]

    play(20, before=refuse, changed=note)
    assert [key for key, states in ends.items() if states[-1] is not State.ARCHIVED] == [3]
    assert ends[3].count(State.EXPIRED) == 2
    assert ends[4].count(State.EXPIRED) == 1
