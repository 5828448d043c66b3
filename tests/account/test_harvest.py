"""What comes home of what is paid for: when nothing more is asked for, and when it is again."""

import pytest

from batchgen.account import Account
from batchgen.account.harvest import FAILURES_BEFORE_PAUSE, PATIENCE_SECONDS, PAUSE_SECONDS
from tests.account.test_account import Clock


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def account(now: Clock) -> Account:
    account = Account(10_000, 1000, now)
    account.answered(posted=True)
    return account


def fail(account: Account, *jobs: int) -> None:
    for job in jobs:
        account.harvest.asked(job)
        account.harvest.failed(job, "HTTP 403")


def test_many_failures_in_a_row_hold_the_next_task_back_and_one_video_ends_that(account: Account) -> None:
    fail(account, *range(FAILURES_BEFORE_PAUSE - 1))
    assert account.may_post
    fail(account, 99)
    assert not account.may_post
    assert account.harvest.complaint() == f"nothing came of the last {FAILURES_BEFORE_PAUSE} tasks (HTTP 403)"
    account.harvest.came(7)  # at its second try
    assert account.may_post
    fail(account, *range(100, 100 + FAILURES_BEFORE_PAUSE - 1))
    assert account.may_post


def test_failures_with_a_video_among_them_and_those_of_one_task_alone_hold_nothing_back(account: Account) -> None:
    for job in range(100):
        account.harvest.asked(job)
        account.harvest.failed(job, "HTTP 500") if job % 10 else account.harvest.came(job)
    for _ in range(FAILURES_BEFORE_PAUSE):
        account.harvest.failed(99, "HTTP 500")
    assert account.may_post


def test_what_failed_alone_neither_counts_nor_hides_what_did_not(account: Account) -> None:
    for job in range(100):
        account.harvest.asked(job)
        account.harvest.failed_alone(job)
    assert account.may_post
    for job in range(100, 100 + FAILURES_BEFORE_PAUSE):
        fail(account, job)
        account.harvest.asked(-job)
        account.harvest.failed_alone(-job)
    assert not account.may_post


def test_what_earlier_runs_paid_for_neither_holds_a_run_back_nor_lets_it_go_on(account: Account) -> None:
    for job in range(100):
        account.harvest.failed(job, "HTTP 404")
    assert account.may_post
    fail(account, *range(100, 200))
    account.harvest.came(0)
    assert not account.may_post


def test_one_alone_is_tried_once_all_have_failed_after_ever_longer_pauses(account: Account, now: Clock) -> None:
    account.harvest.asked(99)
    fail(account, *range(FAILURES_BEFORE_PAUSE))
    now.now += PAUSE_SECONDS[1]
    assert not account.may_post, "a task is under way, and may tell"
    account.harvest.failed(99, "HTTP 403")
    pauses = []
    for job in range(100, 103):
        pauses.append(account.harvest.pause)
        now.now += pauses[-1]
        assert account.may_post
        account.posting = 1
        assert not account.may_post
        account.posting = 0
        fail(account, job)
        assert not account.may_post
    least = PAUSE_SECONDS[0]
    assert [least / 2 <= pause / 2**n <= least for n, pause in enumerate(pauses)] == [True] * 3


def test_it_is_given_up_after_half_an_hour_though_tasks_be_under_way(account: Account, now: Clock) -> None:
    account.harvest.asked(99)
    fail(account, *range(FAILURES_BEFORE_PAUSE))
    assert account.harvest.pause == PATIENCE_SECONDS
    now.now += PATIENCE_SECONDS - 1
    assert not account.harvest.is_given_up
    now.now += 1
    assert account.harvest.is_given_up
    account.harvest.came(99)
    assert not account.harvest.is_given_up
