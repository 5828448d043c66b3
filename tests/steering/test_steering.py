"""What a run says of the time that is left: by what it may still ask for, and with what is still to be fetched."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from batchgen.account import Account
from batchgen.account.harvest import FAILURES_BEFORE_PAUSE as FAILURES
from batchgen.account.posts import FAILURES_BEFORE_PAUSE
from batchgen.dispatch.dispatcher import Dispatcher, Stop
from batchgen.dispatch.forecast import Fetching
from batchgen.dispatch.schedule import Schedule
from batchgen.model import Job, State
from batchgen.service.polling import Polling
from batchgen.steering.control import Desk
from batchgen.steering.deadline import read_deadline
from batchgen.steering.progress import Progress, Standing, Tally
from batchgen.steering.steering import Steering
from tests.simulation.world import REQUEST


async def seconds_left(counts: dict[State, int], *, running: int = 0, **limits: Any) -> float | None:
    """What is said where so many rows stand where; the document's times hold, and fetching takes 5 s."""
    return (await standing(counts, running=running, **limits)).seconds_left


async def standing(
    counts: dict[State, int],
    *,
    running: int = 0,
    stuck: tuple[float, ...] = (),
    account: Account | None = None,
    stopped: Stop | None = None,
    may_submit: bool = True,
    may_bring_more: bool = False,
    polling: Polling | None = None,
    **limits: Any,
) -> Standing:
    polling = polling or Polling()
    schedule, now = Schedule(polling), asyncio.get_running_loop().time()
    for key, age in enumerate([0.0] * running + [*stuck]):
        schedule.add(Job(key, REQUEST, State.IN_FLIGHT), now, age)
    dispatcher = SimpleNamespace(
        doing="submitting",
        stopped=stopped,
        is_halted=False,
        asker=SimpleNamespace(may_submit=may_submit, schedule=schedule, may_bring_more=lambda: may_bring_more),
        fetcher=SimpleNamespace(forecast=Fetching(10, guess=5.0)),
    )
    tally = Tally(dict.fromkeys(State, 0) | counts)
    account = account or Account(10_000, 10)
    steering = Steering(cast(Desk, None), cast(Dispatcher, dispatcher), account, polling, tally, Progress(), **limits)
    return steering.standing()


async def test_while_videos_are_fetched_the_time_that_takes_is_told() -> None:
    assert await seconds_left({State.RENDERED: 40, State.ARCHIVED: 20}) == 20.0
    assert await seconds_left({State.ARCHIVED: 60}) is None


async def test_what_the_limits_or_an_order_do_not_allow_is_not_waited_for() -> None:
    counts = {State.PENDING: 1000, State.IN_FLIGHT: 10}
    whole = await seconds_left(counts, running=10)
    half = await seconds_left(counts, running=10, affordable=lambda tasks: tasks // 2)
    none = await seconds_left(counts, running=10, affordable=lambda tasks: 0)
    assert whole
    assert half
    assert none
    assert 1.9 < whole / half < 2.1
    assert none < 120
    drained = await seconds_left(counts, running=10, may_submit=False)
    assert drained
    assert drained < 120


async def test_a_task_that_has_run_for_hours_makes_no_run_last_for_hours() -> None:
    counts = {State.PENDING: 5, State.IN_FLIGHT: 1}
    assert await seconds_left(counts, stuck=(72_000.0,)) == await seconds_left(counts)
    assert await seconds_left({State.IN_FLIGHT: 1}, stuck=(72_000.0,)) is None


async def test_while_hardly_a_task_has_ended_those_that_run_longer_than_expected_tell_that_all_will() -> None:
    counts = {State.PENDING: 1000, State.IN_FLIGHT: 10}
    slow = Polling()
    for _ in range(10):
        slow.durations(REQUEST).running(0.0, 180.0)
    slow.refresh()
    usual, longer = [await seconds_left(counts, running=10, polling=polling) for polling in (Polling(), slow)]
    assert usual
    assert longer
    assert longer > 2.5 * usual


async def test_a_run_lasts_no_longer_than_its_deadline() -> None:
    now = asyncio.get_running_loop().time
    deadline = read_deadline("10m", clock=now)
    left = await seconds_left({State.PENDING: 1000}, deadline=deadline)
    assert left
    assert left <= 600


async def test_what_the_account_bears_is_told_beside_what_it_may_be_asked_for() -> None:
    account = Account(10_000, 100, memory='{"rate": [60, 1], "tasks": [10, 1]}')
    limits = (await standing({}, account=account)).limits()
    assert limits.startswith("100 tasks at once (the account bears 10), 10000 requests a minute (the account bears 60)")


async def test_while_no_post_gets_a_clear_answer_the_run_says_so_and_nobody_knows_how_long_it_takes() -> None:
    account = Account(10_000, 10, clock=lambda: 0.0)
    for _ in range(FAILURES_BEFORE_PAUSE):
        account.post_trouble("HTTP 500", may_be_paid=True)
    account.answered()  # a poll
    told = await standing({State.PENDING: 9}, account=account)
    assert told.waiting
    assert told.waiting.startswith("no clear answer when a task is asked for (HTTP 500): submitting pauses, and one is")
    assert told.seconds_left is None
    account.answered(posted=True)
    assert (await standing({State.PENDING: 9}, account=account)).waiting is None


async def test_while_nothing_comes_of_what_is_paid_for_the_run_says_so_and_nobody_knows_how_long_it_takes() -> None:
    account = Account(10_000, 10, clock=lambda: 0.0)
    for job in range(FAILURES):
        account.harvest.asked(job)
        account.harvest.failed(job, "r2.example: the host answered HTTP 500")
    told = await standing({State.PENDING: 9}, account=account)
    assert told.waiting == (
        "nothing came of the last 20 tasks (r2.example: the host answered HTTP 500): "
        "submitting pauses, and one is tried now and then"
    )
    assert told.seconds_left is None
    account.harvest.came(0)
    told = await standing({State.PENDING: 9}, account=account)
    assert told.waiting is None
    assert told.seconds_left


async def test_while_the_copy_of_the_ledger_holds_up_tasks_the_run_says_so_and_nobody_knows_how_long_it_takes() -> None:
    counts, words = {State.PENDING: 9, State.SUBMITTING: 1}, "s3://b/ledger: access is denied"
    told = await standing(counts, copy_trouble=lambda: words)
    held = f"the ledger's copy cannot be written ({words}): until it can, nothing is asked for"
    assert (told.waiting, told.seconds_left) == (held, None)
    told = await standing(counts, copy_trouble=lambda: words, stopped=Stop("--max-tasks 1 is reached", 4))
    assert told.waiting == f"submitting nothing more: --max-tasks 1 is reached; {held}"
    told = await standing(counts, copy_trouble=lambda: words, stopped=Stop(f"no copy for 300 s: {words}", 1))
    assert told.waiting == f"submitting nothing more: no copy for 300 s: {words}"
    told = await standing({State.IN_FLIGHT: 1}, running=1, copy_trouble=lambda: words)
    assert (told.waiting, bool(told.seconds_left)) == (None, True)
    assert (await standing(counts)).waiting is None


async def test_a_wait_that_the_service_asks_for_is_told_whatever_it_answers_to_what_was_under_way() -> None:
    now = 0.0
    account = Account(10_000, 10, clock=lambda: now)
    account.busy(300.0, posted=True)
    account.answered(posted=True)
    account.answered()
    told = await standing({State.PENDING: 9, State.IN_FLIGHT: 1}, running=1, account=account)
    assert told.waiting == "the service asks us to wait 5 minutes more (too many requests or tasks)"
    assert told.seconds_left is None
    now = 240.0
    told = await standing({State.PENDING: 9}, account=account, stopped=Stop("--max-tasks 1 is reached", 4))
    assert told.waiting == (
        "submitting nothing more: --max-tasks 1 is reached; "
        "the service asks us to wait 60 seconds more (too many requests or tasks)"
    )
    now = 300.0
    told = await standing({State.PENDING: 9}, account=account)
    assert told.waiting is None
    assert told.seconds_left


async def test_a_run_that_waits_for_what_it_was_not_asked_for_says_so() -> None:
    assert (await standing({State.ARCHIVED: 2, State.IN_FLIGHT: 1}, running=1)).waiting is None
    told = (await standing({State.ARCHIVED: 2}, running=1)).waiting
    assert told == "waiting for 1 task in flight, of rows that were edited, are gone or were not chosen"


async def test_that_a_run_stays_for_callbacks_of_what_is_in_doubt_alone_is_told() -> None:
    done = {State.ARCHIVED: 60, State.IN_DOUBT: 1}
    told = (await standing(done, may_bring_more=True)).waiting
    assert told
    assert "waiting for callbacks" in told
    assert (await standing(done)).waiting is None
    assert (await standing(done | {State.RENDERED: 1}, may_bring_more=True)).waiting is None
