"""Which task is asked about next, and when; the clock is moved by hand."""

import itertools
import random

from batchgen.dispatch.schedule import Schedule
from batchgen.model import Job, State
from batchgen.request import Request
from batchgen.service.polling import Polling

REQUEST = Request("wan-2-5", "text-to-video", "a lake")


def job(key: int, **more: object) -> Job:
    return Job(key, REQUEST, State.IN_FLIGHT, task_id=f"t{key}", **more)  # type: ignore[arg-type]


def learned(low: float, high: float) -> Polling:
    polling, draw = Polling(), random.Random(1)
    for _ in range(300):
        seconds = draw.uniform(low, high)
        polling.durations(REQUEST).ended(0.0, seconds + 1, seconds)
    polling.refresh()
    return polling


def asked(
    schedule: Schedule, until: float, per_second: float = 160.0, start: float = 0.0, *, is_submitting: bool = True
) -> list[tuple[float, int]]:
    """When which task is asked about, if each runs on."""
    times, now = [], start
    while now < until:
        now += 0.02
        schedule.plan(now, per_second, is_submitting=is_submitting)
        while (due := schedule.take(now)) is not None:
            times.append((now, due.key))
            schedule.heard(due, now)
    return times


def test_most_questions_come_when_tasks_end() -> None:
    schedule = Schedule(learned(50, 70))
    for key in range(100):
        schedule.add(job(key), 0.0, 0.0)
    times = [time for time, _ in asked(schedule, 70.0)]
    assert sum(time >= 49 for time in times) > 0.8 * len(times)


def test_a_task_is_asked_at_most_four_times_a_second_however_much_is_allowed() -> None:
    schedule = Schedule(learned(50, 70))
    schedule.add(job(1), 0.0, 0.0)
    times = [time for time, _ in asked(schedule, 70.0, per_second=100_000)]
    assert min(after - before for before, after in itertools.pairwise(times)) >= 0.2
    assert len(times) < 90


def test_no_more_is_asked_than_is_allowed() -> None:
    schedule = Schedule(learned(50, 70))
    for key in range(1000):
        schedule.add(job(key), 0.0, 0.0)
    times = [time for time, _ in asked(schedule, 65.0, per_second=50)]
    assert max(sum(start <= time < start + 1 for time in times) for start in range(66)) <= 52


def test_a_question_leaves_earlier_by_as_long_as_its_answer_takes() -> None:
    firsts = []
    for answer_seconds in (0.0, 2.0):
        schedule = Schedule(learned(50, 70))
        schedule.add(job(1), 0.0, 0.0)
        for _ in range(100):
            schedule.took(answer_seconds)
        firsts.append(asked(schedule, 70.0)[0][0])
    assert 1.5 < firsts[0] - firsts[1] < 2.5


def test_when_nothing_is_left_to_submit_fewer_questions_are_asked() -> None:
    numbers = []
    for is_submitting in (True, False):
        schedule = Schedule(learned(50, 70))
        for key in range(300):
            schedule.add(job(key), 0.0, 0.0)
        numbers.append(len(asked(schedule, 70.0, is_submitting=is_submitting)))
    assert numbers[1] < 0.7 * numbers[0]


def test_of_what_waits_the_longest_over_is_asked_about_first() -> None:
    schedule = Schedule(learned(20, 30))
    for key in range(200):
        schedule.add(job(key), 0.0, 22.0 if key % 2 else 29.0)
    first = [key for _, key in asked(schedule, 0.6, per_second=100)]
    assert len(first) > 20
    assert not any(key % 2 for key in first)


def found(schedule: Schedule, now: float, *, is_submitting: bool) -> list[int]:
    """Which tasks are asked about by then, all of which are over."""
    schedule.plan(now, 160.0, is_submitting=is_submitting)
    jobs = list(iter(lambda: schedule.take(now), None))
    for each in jobs:
        schedule.end(each, now)
    return [each.key for each in jobs]


def test_a_task_that_has_just_begun_is_not_asked_about_however_many_are_over() -> None:
    schedule = Schedule(learned(20, 30))
    for key in range(1000):
        schedule.add(job(key), 0.0, 35.0)
    keys = []
    for tick in range(900):
        if tick % 5 == 0:
            schedule.add(job(1000 + tick), tick / 100, 0.0)
        keys += found(schedule, tick / 100, is_submitting=True)
    assert sorted(keys[:1000]) == list(range(1000))


def test_when_nothing_is_left_to_submit_what_is_over_is_found_as_fast_as_is_allowed() -> None:
    schedule = Schedule(learned(20, 30))
    for key in range(300):
        schedule.add(job(key), 0.0, 40.0)
    keys = [key for tick in range(230) for key in found(schedule, tick / 100, is_submitting=False)]
    assert sorted(keys) == list(range(300))


def test_a_clock_of_the_day_that_was_set_between_two_runs_teaches_no_generation_time() -> None:
    polling = learned(50, 70)
    schedule = Schedule(polling)
    for key in range(40):
        schedule.add(job(key), 0.0, 5 * 3600.0)
        schedule.heard(job(key), 1.0)
        schedule.end(job(key, generation_ms=60_000), 30.0)
    polling.refresh()
    assert 50 < polling.durations(REQUEST).latest() < 80


def test_a_task_about_which_nothing_was_learned_is_asked_when_it_was_said() -> None:
    schedule = Schedule(Polling())
    schedule.add(job(1), 0.0, 60.0)
    schedule.plan(1.0, 160.0, is_submitting=True)
    due = schedule.take(1.3)
    assert due
    schedule.unheard(due, 11.0)
    assert next(time for time, _ in asked(schedule, 11.1, start=1.3)) >= 11.0


def test_a_task_that_is_left_is_not_asked_any_more() -> None:
    schedule = Schedule(Polling())
    schedule.add(job(1), 0.0, 60.0)
    schedule.leave(job(1))
    assert not asked(schedule, 50.0)
    assert not schedule


def test_how_many_tasks_have_ended_unnoticed_follows_from_what_is_known_of_them() -> None:
    schedule = Schedule(learned(50, 70))
    for key in range(10):
        schedule.add(job(key), 0.0, 0.0)
    assert schedule.over(40.0) < 0.5
    assert 4 < schedule.over(60.0) < 6
    assert schedule.over(80.0) > 9
    asked(schedule, 60.5, start=59.0)
    assert schedule.over(60.5) < 1


# -- callbacks


def test_with_callbacks_no_task_is_thought_to_have_ended_unnoticed() -> None:
    schedule = Schedule(learned(50, 70), callbacks=True)
    schedule.add(job(1), 0.0, 0.0)
    assert schedule.over(80.0) == 0


def test_with_callbacks_a_task_is_asked_when_its_callback_comes() -> None:
    schedule = Schedule(learned(50, 70), callbacks=True)
    schedule.add(job(1), 0.0, 0.0)
    assert not asked(schedule, 60.0)
    assert schedule.hasten(1, 60.0)
    assert schedule.take(60.0) is not None


def test_a_callback_for_an_unknown_job_is_ignored() -> None:
    assert not Schedule(Polling(), callbacks=True).hasten(7, 1.0)


def test_a_callback_that_is_repeated_asks_once() -> None:
    schedule = Schedule(Polling(), callbacks=True)
    schedule.add(job(1), 0.0, 0.0)
    assert schedule.hasten(1, 10.0)
    due = schedule.take(10.0)
    assert due
    schedule.heard(due, 10.1)
    assert not schedule.hasten(1, 11.0)
    assert schedule.hasten(1, 16.0)


def test_a_callback_that_comes_while_its_task_is_being_asked_is_not_lost() -> None:
    schedule = Schedule(Polling(), callbacks=True)
    schedule.add(job(1), 0.0, 400.0)
    due = schedule.take(1.0)
    assert due
    assert schedule.hasten(1, 1.0)
    schedule.heard(due, 1.1)
    assert schedule.next_due() < 3.0


def test_a_callback_that_does_not_come_is_missed_in_the_end() -> None:
    schedule = Schedule(learned(50, 70), callbacks=True)
    schedule.add(job(1), 0.0, 0.0)
    first = asked(schedule, 400.0)[0][0]
    assert 150 < first < 250


def test_where_callbacks_never_come_tasks_are_asked_as_if_there_were_none() -> None:
    schedule = Schedule(learned(50, 70), callbacks=True)
    for key in range(4):
        schedule.add(job(key), 0.0, 0.0)
    for key in range(3):
        schedule.end(job(key), 210.0)
    schedule.plan(211.0, 160.0, is_submitting=True)
    assert schedule.next_due() < 212.0
