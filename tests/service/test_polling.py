"""What is learned of generation times."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.dispatch.schedule import WORTH
from batchgen.request import Request
from batchgen.service.durations import Durations, Guess
from batchgen.service.polling import Polling, kind_of

DOCUMENT = Guess(50.0, 20.0)
REQUEST = Request("wan-2-5", "text-to-video", "a lake", resolution="720p", duration=5)


def idle(table: Durations, known: float, age: float) -> float:
    return table.idle([(0.0, table.place(known))], age)[0]


def taught(low: float, high: float, number: int = 400, table: Durations | None = None) -> Durations:
    draw = random.Random(1)
    table = table or Durations(DOCUMENT)
    for _ in range(number):
        seconds = draw.uniform(low, high)
        table.ended(0.0, seconds + 1.0, seconds)
    table.refresh()
    return table


def test_at_first_most_questions_come_when_the_document_says() -> None:
    table = Durations(DOCUMENT)
    assert idle(table, 50, 70) > 5 * idle(table, 20, 40)


@given(
    low=st.floats(0.1, 200),
    spread=st.floats(0.1, 200),
    number=st.integers(0, 60),
    seconds=st.floats(1e-4, 20),
    share=st.floats(0, 1),
)
def test_no_task_is_passed_over_that_is_expected_to_have_been_over_for_long_enough(
    low: float, spread: float, number: int, seconds: float, share: float
) -> None:
    table = taught(low, low + spread, number)
    age = table.age_of_idle(seconds)
    assert idle(table, 0, share * age) <= seconds + 1e-6
    assert idle(table, 0, 1.06 * age) > seconds  # nor is the bound idle itself: it is two bins at most too low


def test_yet_a_service_faster_than_its_document_is_looked_for() -> None:
    assert idle(Durations(DOCUMENT), 10, 30) > 0


def test_questions_follow_what_was_seen() -> None:
    table = taught(20, 30)
    assert idle(table, 20, 30) > 10 * idle(table, 5, 18)
    assert table.mean == pytest.approx(25, rel=0.05)


def test_a_task_is_expected_to_have_been_over_for_as_long_as_such_tasks_were() -> None:
    table = taught(20, 30, 4000)
    assert idle(table, 0, 22) == pytest.approx(0.2, abs=0.1)  # a fifth of them, for a second
    assert idle(table, 0, 30) == pytest.approx(5, abs=0.3)
    assert idle(table, 25, 30) == pytest.approx(2.5, abs=0.5)
    assert idle(table, 25, 35) == pytest.approx(7.5, abs=1)


def test_a_task_of_days_ago_is_asked_about_now_and_then() -> None:
    table, day = taught(50, 70), 86400.0
    assert idle(table, 0, day) > 100 * idle(table, day, day + 60)
    assert idle(table, day, day + 5) < WORTH * table.mean < idle(table, day, day + 100)


def test_a_service_that_turned_faster_is_known_within_part_of_a_wave() -> None:
    table = taught(50, 70)
    before = idle(table, 20, 30)
    taught(20, 30, 10, table)
    assert idle(table, 20, 30) > 5 * before
    taught(20, 30, 300, table)
    assert table.mean == pytest.approx(25, rel=0.2)


def test_not_yet_teaches_too() -> None:
    table = Durations(DOCUMENT)
    before = idle(table, 20, 30)
    for _ in range(200):
        table.running(0.0, 40.0)
    table.refresh()
    assert idle(table, 20, 30) < before / 4


def test_an_end_whose_moment_the_service_does_not_tell_lies_between_two_questions() -> None:
    table = Durations(DOCUMENT)
    for _ in range(200):
        table.running(0.0, 58.0)
        table.ended(58.0, 60.0)
    assert table.mean == pytest.approx(59, rel=0.05)


def test_the_service_is_not_believed_against_what_was_seen() -> None:
    table = Durations(DOCUMENT)
    for _ in range(200):
        table.running(0.0, 58.0)
        table.ended(58.0, 60.0, reported=3.0)
    assert table.mean == pytest.approx(59, rel=0.05)


def test_thousands_of_ends_do_not_overflow() -> None:
    assert taught(50, 70, 20_000).mean == pytest.approx(60, rel=0.05)


def test_what_was_learned_is_known_to_the_next_run() -> None:
    polling = Polling()
    table = polling.durations(REQUEST)
    taught(20, 30, table=table)
    memory = polling.memory()
    following = Polling(memory=memory).durations(REQUEST)
    assert following.mean == pytest.approx(25, rel=0.1)
    assert idle(following, 20, 30) > 10 * idle(following, 5, 18)
    assert len(memory) < 500


@pytest.mark.parametrize("memory", ["", "{", "[]", "null", '{"a": 1}', '{"a": ["x"]}', '{"a": [-1, 0]}', '{"a": []}'])
def test_a_memory_that_is_none_is_ignored(memory: str) -> None:
    assert Polling(memory=memory).durations(REQUEST).mean == pytest.approx(60)


def test_kinds_are_learned_apart() -> None:
    other = Request("wan-2-5", "text-to-video", "another", resolution="1080p", duration=5)
    assert kind_of(other) != kind_of(REQUEST)
    assert kind_of(Request("wan-2-5", "text-to-video", "!", resolution="720p", duration=5)) == kind_of(REQUEST)


def test_the_documents_advice_is_kept_for_who_asks_for_it() -> None:
    polling = Polling()
    assert polling.wait(0) == 50
    assert polling.wait(55) == 5
    assert polling.wait(1000) == 100
    assert not polling.gives_up(3000)
    assert polling.gives_up(3601)
