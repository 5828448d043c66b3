"""The program's own scheduler against a simulated service, at a tenth of the account's size; time is virtual.

The full sizes are in ``make bench``. A tenth of the tasks with a tenth of the requests keeps every ratio.
"""

import random
from itertools import pairwise
from statistics import fmean

import pytest

from batchgen.account.posts import AT_ONCE, FAILURES_BEFORE_PAUSE
from tests.simulation.regimes import times
from tests.simulation.service import Terms, bound
from tests.simulation.world import Set, Told, simulate

TENTH = Terms(rate=1000, tasks=100)
FLAGS = Set(rate=1000, concurrency=100)


def run(regime: str, rows: int = 400, **more: object) -> Told:
    settings = Set(rate=1000, concurrency=100, **more)  # type: ignore[arg-type]
    return simulate(times(regime, rows), TENTH, settings)


@pytest.fixture(scope="module", params=["document", "1080p", "fast", "slow", "skewed", "shifting"])
def regime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def cold(regime: str) -> Told:
    return run(regime)


# What a small batch reaches: 4 waves, and a service 40 ms away. The targets are for the real size.
COLD = {"document": 1.02, "1080p": 1.015, "fast": 1.055, "slow": 1.012, "skewed": 1.03, "shifting": 1.04}


def test_from_a_cold_start_the_span_is_near_the_bound(regime: str, cold: Told) -> None:
    assert cold.ratio < COLD[regime]


def test_no_request_is_refused(cold: Told) -> None:
    assert cold.seen.refused == []


def test_no_minute_has_more_requests_than_allowed_and_no_more_tasks_run_at_once(cold: Told) -> None:
    assert cold.seen.worst_window <= TENTH.rate
    assert cold.seen.most_tasks <= TENTH.tasks


def test_every_task_is_asked_about_at_least_once_and_none_is_forgotten(cold: Told) -> None:
    assert min(cold.seen.calls) >= 1
    assert max(cold.seen.calls) < 150


def test_what_was_learned_does_not_make_the_next_run_slower(regime: str, cold: Told) -> None:
    assert run(regime, polling_memory=cold.polling_memory).ratio < cold.ratio + 0.005


def test_with_callbacks_slots_refill_at_once_and_a_task_is_asked_about_once(regime: str) -> None:
    told = run(regime, callbacks=True)
    assert told.ratio < 1.015
    assert told.calls <= 1.02


def test_a_service_that_changes_is_followed_as_well_by_who_knew_it_otherwise() -> None:
    seconds = times("shifting", 2000)
    cold = simulate(seconds)
    assert simulate(seconds, settings=Set(polling_memory=cold.polling_memory)).ratio < cold.ratio + 0.005


def test_fewer_calls_are_made_when_a_smaller_share_is_to_be_spent() -> None:
    assert run("document", share=0.4).calls < 0.7 * run("document", share=1.0).calls


def test_ten_tasks_and_plenty_of_requests_are_asked_about_politely() -> None:
    told = simulate(times("document", 60), Terms(rate=10_000, tasks=10), Set(concurrency=10))
    assert told.calls < 25
    assert told.ratio < 1.015


def test_a_service_that_does_not_tell_its_times_is_learned_all_the_same() -> None:
    told = simulate(times("fast", 600), Terms(rate=1000, tasks=100, tells_cost=False), FLAGS)
    assert told.ratio < 1.08


def test_answers_of_trouble_cost_little() -> None:
    told = simulate(times("document", 400), Terms(rate=1000, tasks=100, broken=0.1), FLAGS)
    assert told.ratio < 1.06


@pytest.mark.parametrize("callbacks", [False, True])
def test_a_service_that_takes_no_tasks_for_ten_minutes_leaves_a_handful_of_rows_in_doubt(callbacks: bool) -> None:
    draw = random.Random(5)
    seconds = [draw.uniform(50, 600) for _ in range(400)]
    terms = Terms(rate=1000, tasks=100, lost=(120.0, 720.0))
    told = simulate(seconds, terms, Set(rate=1000, concurrency=100, callbacks=callbacks))
    burst = FAILURES_BEFORE_PAUSE + AT_ONCE[0]
    assert len(told.seen.lost) <= burst + 10
    probes = told.seen.lost[burst:]
    assert all(after - before > 1 for before, after in pairwise(probes)), "each is sent alone"
    assert told.accepted == len(seconds) - len(told.seen.lost)
    assert max(told.in_use[int(900 / 5) :]) > 90, "it goes on at full width"


def test_a_quick_service_never_has_more_than_sixteen_posts_to_answer(cold: Told) -> None:
    assert cold.seen.most_posts <= 16


def test_a_service_that_takes_a_second_to_answer_is_kept_full_with_a_hundred_posts_at_most() -> None:
    told = simulate(times("document", 2000), Terms(latency=(0.4, 0.6)))
    assert told.ratio < 1.07
    assert told.seen.most_posts == 100


# -- an account whose limits nobody told


@pytest.mark.parametrize("is_bucket", [False, True])
@pytest.mark.parametrize("retry_after", [False, True])
def test_limits_far_below_the_documents_are_learned_without_a_storm(retry_after: bool, is_bucket: bool) -> None:
    terms = Terms(rate=60, tasks=10, retry_after=retry_after, is_bucket=is_bucket)
    first, *following = runs(terms, "document", 4)
    assert len(first.seen.refused) < 100
    assert max(len(told.seen.refused) for told in following) < 35
    assert fmean(told.ratio for told in following) < 1 / 0.9


def test_an_account_of_four_tasks_that_is_far_away_is_not_asked_for_a_hundred_at_once() -> None:
    told = simulate(times("document", 120), Terms(rate=30, tasks=4, latency=(0.25, 1.25)))
    assert told.seen.most_posts <= 20
    assert len(told.seen.refused) < 60


@pytest.mark.parametrize("regime", ["slow", "skewed", "shifting"])
def test_a_small_accounts_limits_are_not_mistaken_for_each_other(regime: str) -> None:
    _, *following = runs(Terms(rate=60, tasks=10), regime, 4)
    assert fmean(told.ratio for told in following) < 1 / 0.9


@pytest.mark.parametrize("regime", ["document", "slow", "skewed"])
def test_an_account_of_three_tasks_is_asked_for_a_fourth_less_than_once_in_two_rows(regime: str) -> None:
    _, *following = runs(Terms(rate=10, tasks=3), regime, 4)
    assert fmean(len(told.seen.refused) for told in following) < 60
    assert fmean(told.ratio for told in following) < 1.3


def runs(terms: Terms, regime: str, number: int) -> list[Told]:
    """The same batch, one run after the other, each with what those before have learned."""
    told: list[Told] = []
    memory = Set()
    for seed in range(number):
        told.append(simulate(times(regime, 120), terms, memory, seed))
        memory = Set(polling_memory=told[-1].polling_memory, account_memory=told[-1].account_memory)
    return told


def test_refusals_come_ever_more_rarely() -> None:
    first = simulate(times("document", 300), Terms(rate=60, tasks=10))
    minutes = [int(when // 60) for when, _ in first.seen.refused]
    assert sum(minute < 10 for minute in minutes) > 1.5 * sum(10 <= minute < 20 for minute in minutes)


# -- the simulation itself


def test_the_bound_is_the_list_schedule() -> None:
    assert bound([10, 20, 30], rate=60_000_000, tasks=2) == pytest.approx(40, abs=1e-3)
    assert bound([10] * 4, rate=60, tasks=10) == pytest.approx(13)


def test_no_client_beats_the_bound() -> None:
    draw = random.Random(3)
    seconds = [draw.uniform(5, 90) for _ in range(40)]
    assert simulate(seconds, Terms(rate=600, tasks=7), Set(rate=600, concurrency=7)).ratio > 1


def test_slots_are_refilled_evenly(cold: Told) -> None:
    steady = cold.in_use[4 : len(cold.in_use) // 2]
    assert min(steady) > 50
    assert all(abs(after - before) < 70 for before, after in pairwise(steady))
