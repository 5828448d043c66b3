"""Some of the rows are chosen for a run: the others are neither submitted nor gone."""

from collections.abc import Iterator

import pytest

from batchgen.ledger import Ledger, doubt, recovery, standing, take_in
from batchgen.ledger.selected import present, select
from batchgen.model import Job, Row, State
from tests.ledger.test_intake import RULES, make, pay, request


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.open(None) as opened:
        yield opened


def take(ledger: Ledger, *prompts: str, seed: int | None = None) -> None:
    rows = [Row(n, n + 1, request(prompt, seed=seed), f"r{n}") for n, prompt in enumerate(prompts, 1)]
    take_in(ledger, rows, RULES)


def choose(ledger: Ledger, *ids: str) -> None:
    select(ledger, [row.job for row in present(ledger) if row.id in ids])


def test_only_chosen_rows_are_submitted_in_the_manifests_order(ledger: Ledger) -> None:
    take(ledger, *"abcdef")
    choose(ledger, "r5", "r2")
    assert standing.pending_jobs(ledger) == 2
    assert pay(ledger) == ["b", "e"]
    assert not ledger.has_work()
    assert standing.counts(ledger)[State.PENDING] == 4
    assert standing.counts(ledger, selected=True) == {**dict.fromkeys(State, 0), State.ARCHIVED: 2}


def test_a_chosen_row_that_was_not_taken_after_all_is_given_out_again_in_its_place(ledger: Ledger) -> None:
    take(ledger, *"abcd")
    choose(ledger, "r2", "r3", "r4")
    first = ledger.next_pending()
    assert first
    intended = ledger.intend(first)
    assert [job.request.prompt for job in [ledger.next_pending()] if job] == ["c"]
    ledger.withdraw(intended)
    assert pay(ledger) == ["b", "c", "d"]


def test_failed_expired_and_doubtful_rows_are_tried_again_only_where_they_were_chosen(ledger: Ledger) -> None:
    take(ledger, *"abcdef")
    for state in (State.FAILED, State.FAILED, State.IN_DOUBT, State.IN_DOUBT, State.EXPIRED, State.EXPIRED):
        job = ledger.next_pending()
        assert job
        ledger.save(Job(job.key, job.request, state))
    choose(ledger, "r2", "r3", "r5")
    assert (recovery.retry_failed(ledger), len(doubt.resubmit_held(ledger))) == (2, 1)
    assert [row.status for row in ledger.results()][-2:] == [State.RENDERED, State.EXPIRED]
    assert pay(ledger) == ["b", "c"]


def test_a_shared_task_is_chosen_with_any_of_its_rows(ledger: Ledger) -> None:
    take(ledger, "same", "same", "same", seed=1)
    choose(ledger, "r3")
    assert standing.counts(ledger, selected=True)[State.PENDING] == 3
    assert pay(ledger) == ["same"]


# -- a part of the sheet


def part(ledger: Ledger, *rows: tuple[str, str]) -> None:
    take_in(ledger, [Row(n, 1, request(prompt), id) for n, (id, prompt) in enumerate(rows, 1)], RULES, is_partial=True)


def there(ledger: Ledger) -> list[tuple[str, str, int, State]]:
    return [(row.id, row.job.request.prompt, row.number, row.status) for row in ledger.results()]


def test_of_a_partial_sheet_edited_rows_stand_in_their_places_and_the_others_stay(ledger: Ledger) -> None:
    take(ledger, *"abcd")
    part(ledger, ("r3", "mended"), ("new", "n"), ("r1", "a"))
    assert [row[:3] for row in there(ledger)] == [
        ("r1", "a", 1), ("r2", "b", 2), ("r3", "mended", 3), ("r4", "d", 4), ("new", "n", 5)
    ]  # fmt: skip
    assert pay(ledger) == ["a", "b", "mended", "d", "n"]
    take(ledger, "a", "b", "mended", "d")
    assert pay(ledger) == []


def test_a_mended_row_that_now_asks_for_what_another_has_is_a_row_of_its_own(ledger: Ledger) -> None:
    take_in(ledger, [Row(n, n, request(prompt)) for n, prompt in enumerate("ab", 1)], RULES)
    job = ledger.next_pending()
    assert job
    make(ledger, job)
    second = there(ledger)[1][0]
    part(ledger, (second, "a"))
    assert [(prompt, state) for _, prompt, _, state in there(ledger)] == [("a", State.ARCHIVED), ("a", State.PENDING)]


def test_a_row_that_a_partial_sheet_brings_back_has_a_number_of_its_own(ledger: Ledger) -> None:
    take(ledger, *"ab")
    take_in(ledger, [Row(1, 2, request("a"), "r1"), Row(2, 3, request("c"), "other")], RULES)
    part(ledger, ("r2", "mended"))
    assert [row[:3] for row in there(ledger)] == [("r1", "a", 1), ("other", "c", 2), ("r2", "mended", 3)]


def test_a_row_that_left_the_sheet_does_not_come_back_with_a_part_of_it(ledger: Ledger) -> None:
    take(ledger, *"ab")
    take(ledger, "a")
    part(ledger, ("r1", "mended"))
    assert pay(ledger) == ["mended"]


def test_a_partial_sheet_in_an_empty_batch_is_a_whole_one(ledger: Ledger) -> None:
    part(ledger, ("x", "b"), ("y", "a"))
    assert pay(ledger) == ["b", "a"]
