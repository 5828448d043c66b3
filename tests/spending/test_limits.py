"""The user's own limits hold through bursts, refusals and crashes."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from batchgen.account import Account
from batchgen.catalog import MICRO, Prices, guessed_bytes
from batchgen.errors import ArchiveError, LimitReachedError
from batchgen.ledger import Ledger, money
from batchgen.ledger.expected import awaited_videos, pending_kinds, video_bytes
from batchgen.model import State
from batchgen.request import Request
from batchgen.service.polling import Polling
from batchgen.settings import Limits
from batchgen.spending.disk_space import RESERVE_BYTES, DiskSpace
from batchgen.spending.limits import Spending, within_limits
from batchgen.steps.intend import IntendStep
from tests.ledger.test_ledger import filled, first

CHEAP = Request("wan-2-5", "text-to-video", "p", "720p", 5)  # $0.40


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with filled(None, 10) as opened:
        money.begin_run(opened)
        yield opened


def intend(ledger: Ledger, spending: Spending) -> None:
    job = first(ledger)
    ledger.intend(job, price=spending.reserve(CHEAP))


def test_a_price_is_that_of_the_resolution_and_length() -> None:
    assert Prices().of(CHEAP) == 0.4 * MICRO
    assert Prices().of(replace(CHEAP, resolution="1080p", duration=10)) == 1.3 * MICRO


def test_what_a_request_leaves_open_is_taken_at_the_dearest() -> None:
    assert Prices().of(replace(CHEAP, resolution=None, duration=None)) == 1.3 * MICRO


def test_no_more_tasks_are_asked_for_than_allowed(ledger: Ledger) -> None:
    spending = Spending(ledger, Limits(max_tasks=2))
    intend(ledger, spending)
    intend(ledger, spending)
    with pytest.raises(LimitReachedError, match="--max-tasks 2"):
        spending.reserve(CHEAP)


def test_a_budget_is_reserved_before_it_is_spent(ledger: Ledger) -> None:
    spending = Spending(ledger, Limits(budget=0.8))
    intend(ledger, spending)
    intend(ledger, spending)
    with pytest.raises(LimitReachedError, match=r"--budget 0\.8"):
        spending.reserve(CHEAP)


def test_a_budget_that_is_reached_is_told_with_what_the_next_task_may_cost(ledger: Ledger) -> None:
    spending = Spending(ledger, Limits(budget=1.5, budget_per_day=9))
    intend(ledger, spending)
    with pytest.raises(LimitReachedError, match=r"\$0\.40 is spent or reserved, and the next task may cost \$1\.30$"):
        spending.reserve(replace(CHEAP, resolution=None, duration=None))


@pytest.mark.parametrize("limit", ["budget", "budget_per_day"])
def test_a_budget_below_the_price_of_a_task_is_to_be_raised_since_no_later_run_could_go_on(
    ledger: Ledger, limit: str
) -> None:
    spending = Spending(ledger, Limits(**{limit: 1}))  # type: ignore[arg-type]
    with pytest.raises(LimitReachedError) as raised:
        spending.reserve(replace(CHEAP, resolution=None, duration=10))
    assert str(raised.value) == (
        "the next task may cost $1.30 (at the dearest, as it leaves resolution or duration open), and "
        f"--{limit.replace('_', '-')} 1 is less than that: raise it, and run again"
    )


def test_the_limits_tell_how_many_more_tasks_they_allow(ledger: Ledger) -> None:
    assert Spending(ledger, Limits()).affordable(8) == 8
    spending = Spending(ledger, Limits(max_tasks=5, budget=1.6))
    assert spending.affordable(8) == 5
    spending.reserve(CHEAP)
    assert (spending.affordable(8), spending.affordable(2)) == (3, 2)
    for _ in range(3):
        spending.reserve(CHEAP)
    assert spending.affordable(8) == 0


def test_what_was_surely_not_paid_is_given_back(ledger: Ledger) -> None:
    spending = Spending(ledger, Limits(max_tasks=1, budget=0.4, budget_per_day=0.4))
    spending.reserve(CHEAP)
    spending.give_back(CHEAP)
    spending.reserve(CHEAP)


def test_a_run_that_crashed_counts_against_the_limits_of_the_one_that_continues_it(ledger: Ledger) -> None:
    intend(ledger, Spending(ledger, Limits(max_tasks=2)))
    money.begin_run(ledger)
    spending = Spending(ledger, Limits(max_tasks=2))
    intend(ledger, spending)
    with pytest.raises(LimitReachedError):
        spending.reserve(CHEAP)


def test_a_run_that_ended_does_not_count_against_the_next_but_against_the_day(ledger: Ledger) -> None:
    intend(ledger, Spending(ledger, Limits()))
    money.end_run(ledger)
    money.begin_run(ledger)
    Spending(ledger, Limits(max_tasks=1, budget=0.4)).reserve(CHEAP)
    with pytest.raises(LimitReachedError, match="today"):
        Spending(ledger, Limits(budget_per_day=0.79)).reserve(CHEAP)


def test_a_plan_counts_what_a_run_that_crashed_has_reserved(ledger: Ledger) -> None:
    for _ in range(2):
        intend(ledger, Spending(ledger, Limits()))
    with ledger.copy() as copy:
        assert within_limits(copy, Limits(max_tasks=3))[0] == 1


def test_a_budget_is_spent_to_its_last_cent(ledger: Ledger) -> None:
    tenth = Prices(usd_per_second={"720p": 0.41 / 5})
    spending = Spending(ledger, Limits(budget=4.10, prices=tenth))  # which as a float is a hair below ten times 0.41
    for _ in range(10):
        spending.reserve(CHEAP)
    with pytest.raises(LimitReachedError):
        spending.reserve(CHEAP)


def test_what_a_run_has_spent_is_without_the_run_that_crashed_before_it_whose_limits_it_keeps(tmp_path: Path) -> None:
    with filled(tmp_path / "l.sqlite", 10) as crashed:
        money.begin_run(crashed)
        for _ in range(3):
            intend(crashed, Spending(crashed, Limits()))
        assert money.spent_at_most(crashed) == 1_200_000
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        money.begin_run(ledger)
        assert money.spent_at_most(ledger) == 0
        intend(ledger, Spending(ledger, Limits()))
        assert (money.spent_at_most(ledger), money.reserved_by_run(ledger)) == (400_000, (4, 1_600_000))


def test_a_run_counts_the_accepted_tasks_that_it_asked_for_and_not_those_that_it_found(tmp_path: Path) -> None:
    with filled(tmp_path / "l.sqlite", 10) as earlier:
        money.begin_run(earlier)
        asked = earlier.intend(first(earlier))
        money.end_run(earlier)
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        money.begin_run(ledger)
        for job in (asked, ledger.intend(first(ledger))):
            ledger.settle(replace(job, state=State.IN_FLIGHT, task_id=f"task_{job.key}"), "accepted", "")
        ledger.intend(first(ledger))
        assert money.accepted_tasks(ledger) == 1


def test_a_refused_task_does_not_count(ledger: Ledger) -> None:
    job = ledger.intend(first(ledger), price=Prices().of(CHEAP))
    ledger.settle(replace(job, state=State.FAILED), "refused", "", paid=False)
    assert money.reserved_by_run(ledger) == (0, 0)


def test_the_estimate_is_that_of_all_pending_jobs(ledger: Ledger) -> None:
    assert money.estimate(pending_kinds(ledger), lambda _: 7) == 70
    ledger.intend(first(ledger))
    assert money.estimate(pending_kinds(ledger), lambda _: 7) == 63


MEGABYTE = {(CHEAP.resolution, CHEAP.duration): 1_000_000.0}  # a video of its kind
TO_BE_MADE = Request("wan-2-5", "text-to-video", "another", "1080p", 10)
FIVE_MEGABYTES = RESERVE_BYTES + 4_000_000


def test_nothing_is_reserved_that_the_disk_could_not_keep(ledger: Ledger, tmp_path: Path) -> None:
    paid: list[int] = []
    disk_space = DiskSpace(tmp_path, lambda: FIVE_MEGABYTES, lambda: [(CHEAP, len(paid))], lambda: MEGABYTE)
    spending = Spending(ledger, Limits(), disk_space)
    while len(paid) < 4:
        paid.append(spending.reserve(CHEAP))
    with pytest.raises(ArchiveError, match=r"another video \(1\.0 MB\); free some space") as raised:
        spending.reserve(CHEAP)
    assert raised.value.full


def test_room_is_kept_for_what_is_paid_and_not_yet_archived(tmp_path: Path) -> None:
    disk_space = DiskSpace(tmp_path, lambda: FIVE_MEGABYTES, lambda: [(CHEAP, 4)], lambda: MEGABYTE)
    with pytest.raises(ArchiveError):
        disk_space.reserve(CHEAP, 1)


def test_room_is_kept_for_each_file_of_a_video_that_several_rows_want(tmp_path: Path) -> None:
    disk_space = DiskSpace(tmp_path, lambda: FIVE_MEGABYTES, list, lambda: MEGABYTE)
    disk_space.reserve(CHEAP, 4)
    with pytest.raises(ArchiveError):
        disk_space.reserve(CHEAP, 5)


def test_a_task_is_asked_for_only_with_room_for_a_file_of_each_row_that_wants_it(
    ledger: Ledger, tmp_path: Path
) -> None:
    disk_space = DiskSpace(tmp_path, lambda: FIVE_MEGABYTES, list, lambda: MEGABYTE)
    intend = IntendStep(ledger, Account(10_000, 10), Polling(), Spending(ledger, Limits(), disk_space)).intend
    job = replace(first(ledger), request=CHEAP)
    with pytest.raises(ArchiveError):
        intend(replace(job, wanted=5))
    assert intend(replace(job, wanted=4)).state is State.SUBMITTING


def test_room_is_wanted_for_the_ledger_wherever_the_videos_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchgen.spending.disk_space.disk_usage", lambda _: SimpleNamespace(free=RESERVE_BYTES))
    for there in (None, FIVE_MEGABYTES):
        disk_space = DiskSpace(tmp_path, lambda there=there: there, list, lambda: MEGABYTE)  # type: ignore[misc]
        with pytest.raises(ArchiveError):
            disk_space.reserve(CHEAP, 1)


def test_room_that_was_kept_for_tasks_that_came_to_nothing_is_found_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    disk_space = DiskSpace(tmp_path, lambda: FIVE_MEGABYTES, list, lambda: MEGABYTE)
    for _ in range(2):
        disk_space.reserve(CHEAP, 4)


def test_a_kind_without_a_video_yet_is_guessed_as_a_plan_guesses_it(tmp_path: Path) -> None:
    free = RESERVE_BYTES + int(guessed_bytes(TO_BE_MADE))
    DiskSpace(tmp_path, lambda: free, list, lambda: MEGABYTE).reserve(TO_BE_MADE, 1)
    with pytest.raises(ArchiveError, match=r"16\.0 MB, as is guessed"):
        DiskSpace(tmp_path, lambda: free - 1, list, lambda: MEGABYTE).reserve(TO_BE_MADE, 1)


def test_of_what_is_paid_each_row_will_keep_a_file_of_its_kind(ledger: Ledger) -> None:
    paid_for = ledger.intend(first(ledger))
    assert [(request.resolution, files) for request, files in awaited_videos(ledger)] == [
        (paid_for.request.resolution, paid_for.wanted)
    ]
    for state in (State.SUBMITTING, State.IN_FLIGHT, State.RENDERED):
        for wanted, kept in ((3, 3), (0, 1)):  # a row that has left the sheet keeps its file all the same
            ledger.database.execute("UPDATE job SET state = ?, wanted = ? WHERE job = ?", (state, wanted, paid_for.key))
            assert [files for _, files in awaited_videos(ledger)] == [kept]
    assert video_bytes(ledger, latest=100) == {}


def test_what_was_reserved_before_midnight_and_given_back_after_it_makes_the_new_day_no_longer(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = 1_800_000_000.0
    monkeypatch.setattr("time.time", lambda: noon)
    spending = Spending(ledger, Limits(budget_per_day=0.8))
    job = first(ledger)
    job = ledger.intend(job, price=spending.reserve(CHEAP))
    monkeypatch.setattr("time.time", lambda: noon + 86_400)
    intend(ledger, spending)
    spending.give_back(CHEAP)
    ledger.withdraw(job)
    intend(ledger, spending)
    with pytest.raises(LimitReachedError, match=r"--budget-per-day 0\.8"):
        spending.reserve(CHEAP)
