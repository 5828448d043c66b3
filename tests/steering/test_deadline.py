"""Until when a run may last: what is written, what the clocks do, and what is no longer asked for."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batchgen.dispatch.dispatcher import Stop
from batchgen.errors import LimitReachedError, UsageError
from batchgen.model import Job, State
from batchgen.service.polling import Polling
from batchgen.steering.deadline import Deadline, LastCall, read_deadline
from batchgen.steering.stopping import has_time, until
from tests.dispatch.test_dispatcher import Stage, play
from tests.simulation import clock
from tests.simulation.world import REQUEST

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
ZONES = ["UTC0", BERLIN, "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"]  # the last: half an hour
YEAR = (datetime(2026, 1, 1, tzinfo=UTC).timestamp(), datetime(2027, 1, 1, tzinfo=UTC).timestamp())


@contextmanager
def zone(name: str) -> Iterator[None]:
    """Local time of another place; a POSIX rule, so that no zone's file is needed."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


class Clocks:
    """A clock of the day and one that never jumps, both moved by hand."""

    def __init__(self, day: float) -> None:
        self.day = day
        self.mono = 1000.0

    def read(self, text: str) -> Deadline:
        return read_deadline(text, lambda: self.day, lambda: self.mono)

    def wait(self, seconds: float) -> None:
        self.day += seconds
        self.mono += seconds


def at(text: str) -> Clocks:
    """Clocks that show this local time."""
    return Clocks(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("06:00", 8),
        ("6:00", 8),
        ("22:00", 24),
        ("21:59", 24 - 1 / 60),
        ("4h", 4),
        ("90m", 1.5),
        ("1h30m", 1.5),
        ("45s", 0.0125),
        ("2026-11-26T06:00", 8),
        ("2026-11-26 06:00:00", 8),
        ("2026-11-26T06:00Z", 9),
        ("2026-11-26T06:00-05:00", 14),
        (" 4h ", 4),
    ],
)
def test_a_deadline_is_a_time_of_day_a_duration_or_a_date(text: str, hours: float) -> None:
    with zone(BERLIN):
        assert at("2026-11-25T22:00").read(text).seconds_left() == pytest.approx(3600 * hours)


@pytest.mark.parametrize(
    "text",
    ["", "6", "24:00", "06:60", "4 h", "h", "-4h", "1.5h", "2026-11-26", "2026-02-30T06:00", "tomorrow", "٠٦:٠٠"],
)
def test_a_deadline_that_is_none_is_refused_with_what_it_should_look_like(text: str) -> None:
    with pytest.raises(UsageError, match="--deadline"):
        read_deadline(text)


def test_a_date_that_has_passed_is_refused() -> None:
    with pytest.raises(UsageError, match="has passed"):
        at("2026-11-25T22:00").read("2026-11-25T21:59")


@given(st.text(max_size=20))
def test_no_text_is_more_than_refused(text: str) -> None:
    with suppress(UsageError):
        read_deadline(text).seconds_left()


@given(st.sampled_from(ZONES), st.floats(*YEAR), st.integers(0, 23), st.integers(0, 59))
def test_a_time_of_day_is_the_next_at_which_the_wall_clock_shows_it(
    name: str, now: float, hour: int, minute: int
) -> None:
    with zone(name):
        moment = now + Clocks(now).read(f"{hour:02}:{minute:02}").seconds_left()
        assert moment > now
        shown = time.localtime(moment)
        assume((shown.tm_hour, shown.tm_min) == (hour, minute))  # not an hour that summer time leaves out
        assert shown.tm_sec == 0
        earlier = range(int(now // 60 + 1) * 60, int(moment), 60)
        assert not [m for m in earlier if time.localtime(m)[3:5] == (hour, minute)]


@pytest.mark.parametrize(
    ("start", "text", "hours"),
    [
        ("2026-03-28T22:00", "06:00", 7),  # the night that is an hour shorter
        ("2026-10-24T22:00", "06:00", 9),  # the one that is longer
        ("2026-03-28T22:00", "02:30", 4.5),  # left out: half an hour after what would be two o'clock
        ("2026-10-25T01:00", "02:30", 1.5),  # comes twice: the first
    ],
)
def test_summer_time_begins_and_ends(start: str, text: str, hours: float) -> None:
    with zone(BERLIN):
        assert at(start).read(text).seconds_left() == 3600 * hours


def test_an_hour_that_comes_twice_is_met_the_second_time_too() -> None:
    with zone(BERLIN):
        clocks = at("2026-10-25T01:00")
        clocks.wait(2 * 3600)
        assert clocks.read("02:30").seconds_left() == 1800


@pytest.mark.parametrize(
    ("jump", "left"),
    [
        (3600, 7 * 3600),
        (-3600, 9 * 3600),
        (9 * 3600, -3600),  # over the deadline
        (-24 * 3600, 8 * 3600),  # over the former midnight: the next six o'clock is still the next
        (5 * 86_400, -5 * 86_400 + 8 * 3600),
    ],
)
def test_a_time_of_day_follows_the_clock_when_it_is_set(jump: float, left: float) -> None:
    with zone(BERLIN):
        clocks = at("2026-11-25T22:00")
        deadline = clocks.read("06:00")
        clocks.day += jump
        assert deadline.seconds_left() == left


@given(st.floats(-1e7, 1e7))
def test_a_duration_does_not_follow_the_clock_when_it_is_set(jump: float) -> None:
    clocks = at("2026-11-25T22:00")
    deadline = clocks.read("4h")
    clocks.day += jump
    clocks.wait(3600)
    assert deadline.seconds_left() == pytest.approx(3 * 3600)


@pytest.mark.parametrize(("left", "waiting", "fits"), [(101, 0, True), (99, 0, False), (159, 200, False)])
def test_a_task_is_asked_for_while_it_can_end_and_be_fetched(left: int, waiting: int, fits: bool) -> None:
    last_call = LastCall(at("2026-11-25T22:00").read(f"{left}s"), lanes=16, fetch=5.0)
    if fits:
        last_call.check(95.0, waiting)
    else:
        with pytest.raises(LimitReachedError, match="--deadline"):
            last_call.check(95.0, waiting)


def test_slow_fetches_bring_the_last_call_forward() -> None:
    last_call = LastCall(at("2026-11-25T22:00").read("110s"), lanes=16, fetch=5.0)
    last_call.check(95.0, 0)
    for _ in range(50):
        last_call.fetched(60.0)
    with pytest.raises(LimitReachedError):
        last_call.check(95.0, 0)


def test_a_task_takes_what_the_document_says_until_enough_is_known_and_then_what_the_latest_took() -> None:
    polling = Polling()
    table = polling.durations(REQUEST)
    assert polling.latest(REQUEST) == 90
    for _ in range(5):
        table.ended(0.0, 20.0, 20.0)
    assert polling.latest(REQUEST) == 90
    for _ in range(20):
        table.ended(0.0, 20.0, 20.0)
    assert polling.latest(REQUEST) == pytest.approx(20, rel=0.05)
    for seconds in range(40, 140):
        table.ended(0.0, float(seconds), float(seconds))
    assert polling.latest(REQUEST) > 135


def night(seconds: int, rows: int, generation: float, **settings: Any) -> Stage:
    """A batch in virtual time that has so many seconds."""
    return play(rows, (0.0, lambda stage: limit(stage, f"{seconds}s")), seconds=generation, **settings)


def limit(stage: Stage, text: str) -> None:
    now = stage.account._clock
    deadline = read_deadline(text, clock=now)
    last_call = LastCall(deadline, lanes=1, fetch=0.0)
    intend: Callable[[Job], Job] = stage.pipeline.intend

    def checked(job: Job) -> Job:
        last_call.check(stage.dispatcher._polling.latest(REQUEST), stage.account.tasks)
        return intend(job)

    stage.pipeline.intend = checked  # type: ignore[method-assign]
    stage.ending = until(deadline, stage.dispatcher)  # type: ignore[attr-defined]  # else it would be collected
    stage.ending.__enter__()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("seconds", "generation"), [(200, 20.0), (300, 88.0), (500, 60.0)])
def test_what_is_in_flight_ends_before_the_deadline_and_little_time_is_left_unused(
    seconds: int, generation: float
) -> None:
    stage = night(seconds, 2000, generation)
    assert stage.dispatcher.stopped
    assert stage.dispatcher.stopped.exit_code == 4
    assert not stage.dispatcher.is_halted
    assert stage.account.tasks == 0
    waves = (seconds - 90 - 10) // (generation + 10)  # ten tasks at once; what nothing is known of takes 90 s
    assert stage.pipeline.accepted >= 10 * waves


def test_when_it_is_said_that_the_deadline_is_too_near_nothing_is_asked_for_later_either() -> None:
    def too_late(_: Job) -> None:
        raise LimitReachedError("--deadline 5m is 300 seconds away, and another task may take longer")

    said: list[str] = []
    stops: list[Stop] = []
    ledger: Any = SimpleNamespace(next_pending=lambda: Job(1, REQUEST, State.PENDING))
    intend: Any = SimpleNamespace(check_deadline=too_late)
    dispatcher: Any = SimpleNamespace(stop=stops.append)
    assert not has_time(ledger, intend, dispatcher, said.append)
    assert ["nothing is asked for now" in words for words in said] == [True]
    assert [stop.exit_code for stop in stops] == [LimitReachedError.exit_code]


def test_a_task_that_does_not_end_is_left_in_flight_at_the_deadline() -> None:
    stage = night(150, 40, 1000.0)
    assert stage.dispatcher.is_halted
    assert stage.dispatcher.stopped
    assert stage.dispatcher.stopped.exit_code == 4
    assert stage.account.tasks == stage.pipeline.accepted == 10


@pytest.mark.parametrize(("jump", "ends"), [(3600, 300), (-100, 700), (250, 350)])
def test_a_run_ends_when_the_clock_shows_its_deadline_however_the_clock_is_set(jump: int, ends: int) -> None:
    """Ten minutes are left at first; after five of them, at 300 s of the loop's time, somebody sets the clock."""
    ended = []

    async def main() -> None:
        stage = Stage(1, seconds=10_000.0)
        loop = asyncio.get_running_loop()
        start = datetime(2026, 11, 26, 5, 50, tzinfo=UTC).timestamp()
        day = lambda: start + loop.time() + (jump if loop.time() >= 300 else 0)  # noqa: E731
        with until(read_deadline("2026-11-26T06:00Z", day, loop.time), stage.dispatcher):
            await stage.dispatcher.run()
        ended.append(loop.time())

    clock.run(main())
    assert ended[0] == pytest.approx(ends, abs=1.5)


def test_a_batch_that_is_done_before_its_deadline_ends_as_ever() -> None:
    stage = night(300, 20, 60.0)
    assert (stage.dispatcher.stopped, stage.pipeline.accepted) == (None, 20)
