"""What a run says of itself: counts, rate, forecast and what it waits for, on a terminal and in lines."""

import io
from dataclasses import replace
from typing import Any

import pytest

from batchgen.cli.terminal import progress, say, shown
from batchgen.errors import UsageError
from batchgen.model import Job, State
from batchgen.request import Request
from batchgen.steering.progress import Bar, Lines, Standing, Tally
from batchgen.words import duration

STANDING = Standing(
    rows=1000,
    archived=412,
    failed=0,
    expired=0,
    in_doubt=0,
    in_flight=500,
    rendered=0,
    pending=88,
    per_minute=61.2,
    seconds_left=580.0,
    doing="submitting",
    waiting=None,
    concurrency=500,
    rate=10000,
    bearable_concurrency=500,
    bearable_rate=10000,
)


def standing(**more: Any) -> Standing:
    return replace(STANDING, **more)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_sentence_tells_all_that_is_known() -> None:
    assert str(standing(failed=3, in_doubt=2, rendered=4)) == (
        "412 of 1000 archived, 3 failed, 2 in doubt, 500 in flight, 4 to fetch, 61 a minute, about 10 minutes left"
    )


def test_a_sentence_says_nothing_of_what_nobody_knows() -> None:
    assert str(standing(per_minute=0.0, seconds_left=None)) == "412 of 1000 archived, 500 in flight"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "1 second"),
        (7.4, "7 seconds"),
        (11, "10 seconds"),
        (62, "60 seconds"),
        (100, "2 minutes"),
        (3600, "60 minutes"),
        (7200, "2 hours"),
        (6300, "1 hour 45 minutes"),
    ],
)
def test_a_stretch_of_time_is_told_no_more_exactly_than_it_is_known(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_run_of_another_version_that_says_less_is_told_as_one() -> None:
    with pytest.raises(UsageError, match="another version"):
        Standing.from_facts({"rows": 3, "archived": 1})


def test_the_limits_tell_what_the_account_bears_where_that_is_less() -> None:
    assert standing().limits() == "500 tasks at once, 10000 requests a minute, submitting"
    assert standing(bearable_concurrency=10, bearable_rate=60, doing="paused").limits() == (
        "500 tasks at once (the account bears 10), 10000 requests a minute (the account bears 60), paused"
    )


def test_the_rate_is_that_of_the_last_minute_and_knows_nothing_of_earlier_runs() -> None:
    clock = Clock()
    counts = dict.fromkeys(State, 0) | {State.ARCHIVED: 500, State.PENDING: 100}
    tally = Tally(counts, clock)
    assert tally.per_minute() == 0
    for clock.now in range(1, 31):
        tally.changed(_job(State.RENDERED), _job(State.ARCHIVED))
        rate = tally.per_minute()
    assert rate == 60
    for clock.now in range(31, 121):
        rate = tally.per_minute()
    assert rate == 0


def test_rows_that_come_back_from_doubt_make_no_rate_below_nothing() -> None:
    clock = Clock()
    tally = Tally(dict.fromkeys(State, 0) | {State.IN_DOUBT: 3}, clock)
    for clock.now in range(3):
        tally.per_minute()
        tally.changed(_job(State.IN_DOUBT), _job(State.IN_FLIGHT))
    assert tally.per_minute() == 0


def _job(state: State) -> Job:
    return Job(1, Request("m", "text-to-video", "p"), state)


def test_rows_that_share_a_task_are_counted_each() -> None:
    tally = Tally(dict.fromkeys(State, 0) | {State.PENDING: 3})
    tally.changed(replace(_job(State.PENDING), wanted=3), replace(_job(State.FAILED), wanted=3))
    assert (tally.counts[State.PENDING], tally.settled) == (0, 3)


class Said:
    """Lines, and when each was said."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.lines: list[tuple[float, str]] = []
        self._lines = Lines(lambda text: self.lines.append((self.clock.now, text)), self.clock)

    def hear(self, until: float, standing: Standing) -> None:
        while self.clock.now < until:
            self._lines.show(standing)
            self.clock.now += 0.5

    def end(self) -> None:
        self._lines.end()


def test_lines_come_at_intervals_that_grow_with_the_run() -> None:
    said = Said()
    said.hear(8 * 3600, STANDING)
    times = [when for when, _ in said.lines]
    assert times[:4] == [0, 30, 60, 90]
    assert len(times) < 60


def test_what_is_waited_for_is_said_at_once_and_when_it_is_over() -> None:
    said = Said()
    said.hear(20, STANDING)
    said.hear(40, standing(doing="paused", waiting="paused; to go on: batchgen ctl p.batch --go"))
    said.hear(45, STANDING)
    assert [(when, "paused" in text) for when, text in said.lines] == [(0, False), (20, True), (40, False)]


def test_a_service_that_refuses_now_and_then_does_not_flood_the_lines() -> None:
    said = Said()
    for n in range(60):
        said.hear(n, standing(waiting="the service asks to be left alone") if n % 2 else STANDING)
    assert len(said.lines) <= 7


def test_the_last_line_says_how_it_ended() -> None:
    said = Said()
    said.hear(1, STANDING)
    said.hear(2, standing(archived=1000, in_flight=0, pending=0, seconds_left=None))
    said.end()
    assert said.lines[-1][1] == "1000 of 1000 archived"


class Screen(io.TextIOWrapper):
    """A terminal's standard error, with bytes below its text, as a real one has."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    def getvalue(self) -> str:
        return self._bytes.getvalue().decode()


def screen_of(columns: int, monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    for name, value in {"COLUMNS": str(columns), "LINES": "20", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    return screen


@pytest.mark.parametrize("columns", [20, 40, 50, 80, 200])
def test_the_bar_fits_its_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(columns, monkeypatch)
    bar = Bar(shown)
    bar.show(standing(failed=30, waiting="paused; to go on: batchgen ctl p.batch --go"))
    bar.end()
    lines = [line for line in screen.getvalue().replace("\r", "\n").splitlines() if not line.startswith("\x1b")]
    assert max(len(line) for line in lines) <= columns
    assert {"█", "▒", "░"} <= set(screen.getvalue())
    assert "paused" in screen.getvalue()


def test_the_cursor_is_there_while_the_bar_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(80, monkeypatch)
    bar = Bar(shown)
    for _ in range(2):
        bar.show(STANDING)
    hidden, there = "\x1b[?25l", "\x1b[?25h"
    assert screen.getvalue().rfind(there) > screen.getvalue().rfind(hidden)


def test_the_service_commands_no_terminal_through_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(80, monkeypatch)
    bar = Bar(shown)
    bar.show(standing(waiting="submitting nothing more: \x1b]0;owned\x07 \x9b31m \u202egnp"))
    bar.end()
    assert r"\x1b]0;owned\x07 \x9b31m \u202egnp" in screen.getvalue()


def test_the_bar_writes_over_nothing_that_is_said_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(80, monkeypatch)
    bar = Bar(shown)
    bar.show(STANDING)
    say("a row [was] edited")
    bar.end()
    assert "\x1b[2Ka row [was] edited\n" in screen.getvalue(), "it stands on a line that was cleared for it"


@pytest.mark.parametrize(("term", "plain"), [("dumb", False), ("", False), ("xterm", True)])
def test_where_nothing_can_be_redrawn_or_seen_there_are_lines(
    term: str, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = screen_of(80, monkeypatch)
    monkeypatch.setenv("TERM", term)
    shows = progress(plain=plain)
    shows.show(STANDING)
    shows.end()
    assert screen.getvalue() == str(STANDING) + "\n"


def test_the_rate_does_not_count_the_time_before_the_first_video() -> None:
    clock = Clock()
    tally = Tally(dict.fromkeys(State, 0) | {State.PENDING: 100}, clock)
    for clock.now in range(50):
        assert tally.per_minute() == 0
    for clock.now in range(50, 60):
        tally.changed(_job(State.RENDERED), _job(State.ARCHIVED))
        rate = tally.per_minute()
    assert rate == 60


def test_two_rows_that_end_together_are_no_rate() -> None:
    clock = Clock()
    tally = Tally(dict.fromkeys(State, 0) | {State.PENDING: 14}, clock)
    tally.per_minute()
    for _ in range(2):
        tally.changed(_job(State.RENDERED), _job(State.ARCHIVED))
    clock.now = 0.5
    assert tally.per_minute() == 12
