"""What the account allows: the rate in any minute, and limits that are learned from refusals."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from batchgen.account.account import TROUBLE_BEFORE_PAUSE, Account
from batchgen.account.ceiling import Ceiling
from batchgen.account.posts import (
    FAILURES_BEFORE_PAUSE,
    LONGEST_PAUSE_SECONDS,
    LONGEST_UNPAID_PAUSE_SECONDS,
    MADE_UP,
    MORE,
)
from tests.simulation import clock


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def account(now: Clock) -> Account:
    return Account(10_000, 1000, now)


def worst_window(times: list[float], seconds: float) -> int:
    """The most events in any stretch of that length."""
    worst = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - seconds:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def sent(account_of: Callable[[Callable[[], float]], Account], seconds: float, delay: float = 0.05) -> list[float]:
    """When requests reach the service, if as many are sent as the account lets pass."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        account = account_of(loop.time)
        times: list[float] = []
        await account.start()
        while loop.time() < seconds:
            await account.turn()
            loop.call_later(delay, times.append, loop.time())
            loop.call_later(delay, account.answered)
        return times

    return clock.run(main())


@pytest.mark.parametrize("rate", [10, 60, 1000, 10_000])
def test_no_minute_has_more_requests_than_the_rate(rate: int) -> None:
    times = sent(lambda now: Account(rate, 10, now), 200)
    assert 0.9 * rate <= worst_window(times, 60.0) <= rate


@pytest.mark.parametrize("speed", [10, 20])
def test_a_service_that_measures_shorter_stretches_is_not_overrun_either(speed: int) -> None:
    times = sent(lambda now: Account(10_000, 10, now), 30)
    assert worst_window(times, 60.0 / speed) <= 10_000 / speed


def test_requests_that_the_network_holds_back_and_brings_at_once_do_not_overrun_the_minute() -> None:
    arrived: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        account = Account(600, 10, loop.time)

        def arrive() -> None:
            arrived.append(loop.time())
            account.answered()

        while loop.time() < 150:
            await account.turn()
            now = loop.time()
            loop.call_at(max(now, 45.0) if now > 30.0 else now, arrive)  # for 15 seconds nothing gets through

    clock.run(main())
    assert worst_window(arrived, 60.0) <= 600


def test_another_rate_lets_no_burst_pass() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        account = Account(6000, 10, loop.time)
        await account.start()
        passed = 0
        for _ in range(50):
            account.retune(rate=6000)
            await account.turn()
            account.answered()
            passed += 1
        return passed if loop.time() > 0.4 else -1

    assert clock.run(main()) == 50


def test_a_higher_rate_holds_at_once_though_a_turn_is_waited_for_at_the_lower_one() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        account = Account(600, 10, loop.time)
        account.retune(rate=1)
        await account.start()
        waiting = asyncio.create_task(account.turn())
        await asyncio.sleep(3.0)
        account.retune(rate=600)
        await waiting
        return loop.time()

    assert clock.run(main()) < 6.0


def test_a_turn_that_was_not_used_counts_for_nothing() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        account = Account(5, 10, loop.time)
        for _ in range(20):
            await account.turn()
            account.unused()
        return loop.time()

    assert clock.run(main()) < 60 * 20 / 5 + 10


def test_silence_is_for_all() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        account = Account(6000, 10, loop.time)
        await account.turn()
        account.busy(17.0)
        await account.turn()
        return loop.time()

    assert 17.0 <= clock.run(main()) < 18.1


def test_after_a_refusal_one_request_alone_tries_again() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        account = Account(6000, 10, loop.time)
        await account.turn()
        account.busy(1.0)
        await account.turn()
        second: Awaitable[None] = asyncio.ensure_future(account.turn())
        done, _ = await asyncio.wait([asyncio.ensure_future(second)], timeout=3)
        account.answered()
        await second
        return not done

    assert clock.run(main())


@pytest.mark.parametrize("rate", [8, 10, 30])
def test_where_little_is_allowed_a_task_follows_at_once_upon_the_question_that_freed_its_slot(rate: int) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        account = Account(rate, 10, loop.time)
        await account.start()
        await asyncio.sleep(30.0)
        for _ in range(2):
            await account.turn()
            account.answered()
        return loop.time()

    assert clock.run(main()) < 30.1


# -- tasks at once


def refuse_post(account: Account, now: Clock, tasks: int) -> None:
    account.tasks, account.posting = tasks + 1, 1
    account.busy(None, posted=True)
    account.tasks, account.posting = tasks, 0
    now.now += 1.5


def test_a_refused_task_lowers_the_tasks_to_what_was_in_flight(now: Clock, account: Account) -> None:
    refuse_post(account, now, 10)
    assert account.concurrency == 10
    assert not account.has_slot


def test_the_limit_of_tasks_is_tried_again_ever_more_rarely(now: Clock, account: Account) -> None:
    gaps = []
    for _ in range(6):
        refuse_post(account, now, 10)
        start = now.now
        while not account.has_slot:
            now.now += 0.5
        gaps.append(now.now - start)
    assert gaps == sorted(gaps)
    assert gaps[-1] > 30


def test_fewer_tasks_than_the_known_limit_are_not_held_for_as_long_as_that(now: Clock, account: Account) -> None:
    for _ in range(7):
        while not account.has_slot:
            now.now += 0.5
        refuse_post(account, now, 10)
    now.now += account.silence
    assert not account.has_slot
    refuse_post(account, now, 5)
    now.now += 2.0
    assert account.has_slot


def test_one_task_alone_tries_whether_there_is_room_for_more(now: Clock, account: Account) -> None:
    refuse_post(account, now, 10)
    now.now += 2
    account.tasks = 11
    assert not account.has_slot


@pytest.mark.parametrize(("over", "tasks"), [(1.0, 10), (0.2, 12)])
def test_a_task_that_may_have_the_place_of_one_that_has_ended_unnoticed_shows_no_room_for_more(
    now: Clock, account: Account, over: float, tasks: int
) -> None:
    refuse_post(account, now, 10)
    now.now += 2
    account.tasks = 11
    account.accepted(0.02, over=lambda: over)
    assert account.concurrency == tasks


def test_where_a_task_showed_no_room_for_more_the_next_is_not_tried_at_once(now: Clock, account: Account) -> None:
    refuse_post(account, now, 10)
    now.now += 2
    account.tasks = 11
    account.accepted(0.02, over=lambda: 1.0)
    account.tasks = 10
    assert not account.has_slot
    now.now += 2
    assert account.has_slot


def test_after_an_accident_the_tasks_are_soon_as_many_as_before(now: Clock, account: Account) -> None:
    refuse_post(account, now, 10)
    now.now += 2
    for _ in range(1200):
        if account.has_slot:
            account.tasks += 1
            account.accepted(0.02)
    assert account.concurrency == 1000


@pytest.mark.parametrize(("seconds", "posts"), [(0.03, 16), (0.2, 50), (5.0, 100)])
def test_no_more_posts_are_without_an_answer_than_the_rate_needs(seconds: float, posts: int) -> None:
    account = Account(10_000, 1000, Clock())
    for _ in range(200):
        account.answered(posted=True)
        account.accepted(seconds)
    while account.may_post:
        account.posting += 1
    assert account.posting == posts


def test_how_long_the_first_post_took_is_believed_at_once(account: Account) -> None:
    account.accepted(0.2)
    for _ in range(10):
        account.answered(posted=True)
    account.posting = 40
    assert account.may_post


def test_each_post_that_is_answered_lets_a_few_more_leave(account: Account) -> None:
    for answers in range(1, 4):
        account.answered(posted=True)
        account.posting = MORE * answers
        assert account.may_post
        account.posting += 1
        assert not account.may_post


# -- POSTs without a clear answer


def lose(account: Account, posts: int = 1, **what: bool) -> None:
    for _ in range(posts):
        account.post_trouble("HTTP 500", **{"may_be_paid": True, **what})


def test_after_a_few_posts_without_a_clear_answer_one_alone_leaves_after_ever_longer_pauses(
    now: Clock, account: Account
) -> None:
    account.answered(posted=True)
    lose(account, FAILURES_BEFORE_PAUSE - 1)
    assert account.may_post
    pauses: list[float] = []
    for _ in range(12):
        lose(account, 3)  # two of them were under way
        assert not account.may_post
        pauses.append(account.posts.pause)
        now.now += account.posts.pause
        assert account.may_post
        account.posting = 1
        assert not account.may_post
        account.posting = 0
    assert pauses[:9] == sorted(pauses[:9])
    assert LONGEST_PAUSE_SECONDS / 2 <= pauses[-1] <= LONGEST_PAUSE_SECONDS


def test_until_one_post_was_answered_one_alone_leaves_and_each_that_is_not_is_followed_by_a_pause(
    now: Clock, account: Account
) -> None:
    account.posting = 1
    assert not account.may_post
    account.posting = 0
    for _ in range(3):
        assert account.may_post
        lose(account)
        account.answered()  # a poll
        assert not account.may_post
        now.now += account.posts.pause
    account.answered(posted=True)
    account.posting = MORE
    assert account.may_post


def test_a_night_of_posts_without_a_clear_answer_leaves_some_tens_of_rows_in_doubt_and_polls_go_on(
    now: Clock, account: Account
) -> None:
    dawn, posts = now.now + 10 * 3600, 0
    while now.now < dawn:
        if account.may_post:
            posts += 1
            lose(account)
        assert account.silence == 0
        account.answered()
        now.now += 1.0
    assert 30 < posts < 100


def test_a_post_that_is_answered_ends_the_pauses_and_a_poll_or_a_429_does_not(account: Account) -> None:
    lose(account, FAILURES_BEFORE_PAUSE)
    account.answered()
    account.busy(1.0, posted=True)
    assert not account.may_post
    assert account.posts.are_failing
    account.answered(posted=True)
    assert account.may_post
    lose(account)
    assert account.may_post


def post(account: Account, now: Clock, lose_every: int, *, rows: int, **what: bool) -> int:
    """Ask for tasks until the rows are in or six hours are over; returns how many answers were lost, one in so many."""
    posts = lost = 0
    dawn = now.now + 6 * 3600
    while posts < rows and now.now < dawn:
        now.now += max(0.1, account.posts.pause)
        assert account.may_post
        posts += 1
        if posts % lose_every == 0:
            lost += 1
            lose(account, **what)
        else:
            account.answered(posted=True)
    return lost


@pytest.mark.parametrize("lose_every", [2, 3])
def test_a_service_that_loses_a_good_part_of_the_answers_leaves_some_tens_of_rows_in_doubt(
    now: Clock, account: Account, lose_every: int
) -> None:
    assert post(account, now, lose_every, rows=10_000) < 100
    account.posting = 1
    assert not account.may_post
    for _ in range(int(FAILURES_BEFORE_PAUSE / MADE_UP)):
        account.answered(posted=True)
    assert account.may_post, "it is trusted again"


@pytest.mark.parametrize(("lose_every", "what"), [(10, {}), (2, {"may_be_paid": False}), (2, {"is_lost": False})])
def test_an_answer_that_is_lost_now_and_then_holds_up_nothing_nor_do_refusals_and_what_costs_nothing(
    now: Clock, account: Account, lose_every: int, what: dict[str, bool]
) -> None:
    began = now.now
    post(account, now, lose_every, rows=1000, **what)
    assert now.now - began < 101


def test_where_nothing_can_have_been_paid_the_pauses_are_short(now: Clock, account: Account) -> None:
    for _ in range(20):
        lose(account, may_be_paid=False)
        now.now += account.posts.pause
    lose(account, may_be_paid=False)
    assert LONGEST_UNPAID_PAUSE_SECONDS / 2 <= account.posts.pause <= LONGEST_UNPAID_PAUSE_SECONDS


def test_when_a_service_that_was_silent_answers_polls_again_one_post_tries_at_once(
    now: Clock, account: Account
) -> None:
    for _ in range(12):
        lose(account)
        now.now += account.posts.pause
    lose(account)
    long_pause = account.posts.pause
    for _ in range(TROUBLE_BEFORE_PAUSE + 1):
        account.trouble()
    account.answered()
    assert account.may_post
    lose(account)
    assert account.posts.pause >= long_pause / 2


def test_a_service_that_answers_a_poll_now_and_then_brings_forward_one_post_alone(now: Clock, account: Account) -> None:
    lose(account, FAILURES_BEFORE_PAUSE)
    tries = 0
    for _ in range(100):
        for _ in range(TROUBLE_BEFORE_PAUSE + 1):
            account.trouble()
        now.now += account.silence
        account.answered()
        if account.may_post:
            tries += 1
            lose(account)
    assert 1 <= tries <= 1 + now.now / LONGEST_PAUSE_SECONDS + 10  # ten pauses until they are the longest


def test_a_5xx_pauses_growth_and_shrinks_nothing(now: Clock, account: Account) -> None:
    refuse_post(account, now, 10)
    now.now += 1
    account.trouble()
    now.now += 5
    assert account.concurrency == 10
    assert not account.has_slot
    now.now += 6
    assert account.has_slot


def test_a_hundred_requests_that_one_outage_cuts_off_are_one_trouble(now: Clock, account: Account) -> None:
    for _ in range(100):
        account.trouble()
    assert 0 < account.silence <= 1
    now.now += 2
    account.trouble()
    assert account.silence <= 2


def test_the_limits_of_the_user_are_never_exceeded(now: Clock) -> None:
    account = Account(10_000, 20, now)
    refuse_post(account, now, 10)
    now.now += 100
    for _ in range(100):
        account.tasks += account.has_slot
        account.accepted(0.02)
    assert account.tasks == 20


# -- requests a minute


def refuse_get(account: Account, now: Clock) -> None:
    account.busy(None)
    now.now += 2


def test_a_single_refused_poll_is_an_accident(now: Clock, account: Account) -> None:
    refuse_get(account, now)
    account.answered()
    assert account.rate == 10_000


def test_polls_refused_again_after_each_pause_tell_the_rate(now: Clock) -> None:
    account = learned_rate(now)
    assert account.rate == pytest.approx(58, abs=2)
    assert account.concurrency == 1000


def learned_rate(now: Clock, rate: int = 60) -> Account:
    account = Account(10_000, 1000, now)
    for _ in range(rate):
        account.answered()
    for _ in range(3):
        refuse_get(account, now)
    return account


def test_polls_that_are_refused_again_and_again_tell_the_rate_though_one_passes_between(
    now: Clock, account: Account
) -> None:
    for _ in range(30):
        account.answered()
        refuse_get(account, now)
    assert account.rate <= 60


def test_a_task_refused_below_the_rate_that_is_known_is_refused_for_the_tasks(now: Clock) -> None:
    account = learned_rate(now)
    rate = account.rate
    now.now += 61
    for _ in range(55):
        account.answered()
    refuse_post(account, now, 10)
    assert (account.concurrency, account.rate) == (10, rate)


def test_a_task_refused_at_the_rate_that_is_known_lowers_no_tasks(now: Clock) -> None:
    account = learned_rate(now)
    now.now += 61
    for _ in range(60):
        account.answered()
    refuse_post(account, now, 10)
    assert account.concurrency == 1000


def test_a_task_refused_where_the_rate_was_refused_before_and_fewer_run_than_did_lowers_no_tasks(now: Clock) -> None:
    account = learned_rate(now, 10)
    now.now += 61
    refuse_post(account, now, 3)
    now.now += 600
    for _ in range(20):  # for a while more passes
        now.now += 4.0
        account.answered()
    account.tasks = 4
    account.accepted(0.02)
    tasks = account.concurrency
    assert account.rate > 13
    assert 3 < tasks < 9
    now.now += 61
    for _ in range(11):
        account.answered()
    refuse_post(account, now, 3)
    assert account.concurrency == tasks


def test_a_task_that_is_refused_for_the_rate_is_not_among_the_requests_that_passed(now: Clock) -> None:
    account = learned_rate(now, 10)
    now.now += 61
    refuse_post(account, now, 3)
    now.now += 61
    for _ in range(10):
        account.answered()
    refuse_post(account, now, 2)
    assert account.rate == 10


def test_a_pause_after_a_refusal_is_no_longer_than_the_minute_needs(now: Clock, account: Account) -> None:
    for _ in range(20):
        account.busy(None)
        assert account.silence <= 15
        now.now += account.silence


@pytest.mark.parametrize(("seconds", "tasks"), [(1, 1000), (20, 10)])
def test_a_poll_refused_just_after_a_task_tells_that_both_were_refused_for_the_rate(
    now: Clock, account: Account, seconds: float, tasks: int
) -> None:
    refuse_post(account, now, 10)
    now.now += seconds
    account.answered()
    refuse_get(account, now)
    assert account.concurrency == tasks


def test_a_rate_that_is_not_used_does_not_rise(now: Clock) -> None:
    account = learned_rate(now)
    low = account.rate
    now.now += 61
    for _ in range(600):
        now.now += 1.2  # fifty a minute
        account.answered()
    assert account.rate == low


def test_a_learned_rate_rises_again_while_nothing_is_refused(now: Clock) -> None:
    account = learned_rate(now)
    low = account.rate
    for _ in range(2000):
        now.now += 0.5
        account.answered()
    assert account.rate > low


# -- from run to run


def test_what_was_learned_is_known_to_the_next_run(now: Clock, account: Account) -> None:
    refuse_post(account, now, 10)
    following = Account(10_000, 1000, now, memory=account.memory())
    assert following.concurrency == 10
    assert following.rate == 10_000


@pytest.mark.parametrize("memory", ["", "{", "[]", '{"tasks": [0, 1]}', '{"tasks": "x", "rate": [1]}', "null"])
def test_a_memory_that_is_none_is_ignored(memory: str) -> None:
    account = Account(600, 10, memory=memory)
    assert (account.rate, account.concurrency) == (600, 10)


def test_a_lower_limit_of_the_user_counts_more_than_what_was_learned() -> None:
    ceiling = Ceiling(1000)
    ceiling.refused(50, 0.0)
    ceiling.recap(20)
    assert ceiling.limit == 20
    ceiling.recap(2000)
    assert ceiling.limit == 50
    ceiling.recap(20)
    following = Ceiling(20)
    following.take_memory(ceiling.to_memory(), 0.0)
    following.recap(1000)
    assert following.limit == 50


def test_a_service_that_never_answered_is_given_up_soon_with_the_cause(now: Clock, account: Account) -> None:
    for _ in range(TROUBLE_BEFORE_PAUSE + 1):
        account.trouble("connection refused by 127.0.0.1:9")
    assert account.is_cut_off
    now.now += 599
    assert not account.is_lost
    now.now += 2
    assert account.is_lost
    assert account.complaint() == (
        "no good answer from the service for 10 minutes (connection refused by 127.0.0.1:9)"
    )  # fmt: skip


@pytest.mark.parametrize("known", ["answered", "refused", "in flight"])
def test_a_service_that_answered_once_or_has_tasks_of_ours_is_waited_for(
    now: Clock, account: Account, known: str
) -> None:
    match known:
        case "answered":
            account.answered()
        case "refused":
            account.busy(None, posted=True)
        case _:
            account.tasks = 1
    account.trouble("HTTP 503")
    now.now += 600
    assert not account.is_lost
    now.now += 1201
    assert account.is_lost
    account.answered()
    assert not account.cause
