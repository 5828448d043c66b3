"""Whoever watches is told of every end, whatever it was."""

import signal
import threading
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import cast
from urllib.error import HTTPError

import pytest

from batchgen.errors import BatchBusyError, FaultError, UsageError
from batchgen.notices import announced, notice
from batchgen.summary import Summary

PING = "https://hc.example/uuid?create=1&tag="


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    posted: list[str] = []

    def post(url: str, body: bytes, kind: str) -> None:
        posted.append(url.partition("rid=")[0])

    monkeypatch.setattr(notice, "_post", post)
    return posted


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (UsageError("no"), "/2"),
        (FaultError(KeyError("x")), "/fail"),
        (KeyError("x"), "/fail"),
        (KeyboardInterrupt(), "/130"),
    ],
)
def test_an_error_is_told_and_goes_on_its_way(sent: list[str], error: BaseException, word: str) -> None:
    with pytest.raises(type(error)), announced(Path("b"), PING, None, None, print):
        raise error
    assert sent == ["https://hc.example/uuid/start?create=1&tag=&", f"https://hc.example/uuid{word}?create=1&tag=&"]


def test_a_run_that_a_signal_ends_after_its_end_was_told_has_ended_once(sent: list[str]) -> None:
    @dataclass
    class Made:
        exit: int = 0

    def run() -> None:
        with announced(Path("b"), PING, None, None, print) as ended:
            ended(cast(Summary, Made()))
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        run()
    assert sent == [f"https://hc.example/uuid{word}?create=1&tag=&" for word in ("/start", "")]


def test_words_that_are_long_or_that_nobody_can_write_are_told_as_far_as_they_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bodies: list[bytes] = []
    monkeypatch.setattr(notice, "_post", lambda url, body, kind: bodies.append(body))
    with pytest.raises(UsageError), announced(Path("b"), PING, None, None, print):
        raise UsageError("half a character: \udce4" + "x" * notice.BODY_LIMIT_BYTES)
    assert b"half a character: ?xxx" in bodies[1]
    assert len(bodies[1]) == notice.BODY_LIMIT_BYTES


def test_the_figures_of_a_run_at_work_are_not_written_over_by_one_that_finds_it_in_the_way(tmp_path: Path) -> None:
    figures = tmp_path / "night.prom"
    figures.write_text("those of the run at work")
    with pytest.raises(BatchBusyError), announced(Path("b"), None, None, figures, print):
        raise BatchBusyError("another run holds b")
    assert figures.read_text() == "those of the run at work"


def test_a_mistake_of_the_program_is_no_success_in_the_figures(tmp_path: Path) -> None:
    figures = tmp_path / "night.prom"
    with pytest.raises(KeyError), announced(Path("b"), None, None, figures, print):
        raise KeyError("x")
    told = [line for line in figures.read_text().splitlines() if line.startswith("batchgen_last_run_exit_code")]
    assert [line.split()[-1] for line in told] == ["1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_outside_the_batchs_work_is_told_too(sent: list[str], number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as stopped, announced(Path("b"), PING, None, None, print):
        signal.raise_signal(number)
    assert stopped.value.code == 128 + number
    assert sent[1] == f"https://hc.example/uuid/{128 + number}?create=1&tag=&"
    assert signal.getsignal(number) is before


def test_a_secret_in_an_error_of_the_network_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def post(self: object, request: object, timeout: float) -> None:
        raise ValueError(f"unknown url {PING}")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", post)
    monkeypatch.setattr(notice, "PAUSE_SECONDS", 0.0)
    with pytest.raises(UsageError), announced(Path("b"), PING, None, None, said.append):
        raise UsageError("no")
    assert said == ["the notice of --ping to hc.example could not be sent: ValueError"] * 2


@pytest.mark.parametrize(("code", "tries"), [(429, 2), (503, 2), (404, 1)])
def test_what_may_go_well_a_moment_later_is_tried_once_more(
    monkeypatch: pytest.MonkeyPatch, code: int, tries: int
) -> None:
    asked: list[float] = []

    def refuse(self: object, request: object, timeout: float) -> None:
        asked.append(timeout)
        raise HTTPError(PING, code, "no", Message(), None)

    monkeypatch.setattr("urllib.request.OpenerDirector.open", refuse)
    monkeypatch.setattr(notice, "PAUSE_SECONDS", 0.0)
    assert notice._post(PING, b"", "text/plain") == f"it answered {code}"
    assert len(asked) == tries


def test_the_end_is_told_though_the_start_is_still_being_answered(
    sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    post, over = notice._post, threading.Event()

    def slowly(url: str, body: bytes, kind: str) -> None:
        post(url, body, kind)
        if "/start" in url:
            over.wait(60)

    monkeypatch.setattr(notice, "_post", slowly)
    monkeypatch.setattr(notice, "BEGUN_SECONDS", 0.1)
    with pytest.raises(UsageError), announced(Path("b"), PING, None, None, print):
        raise UsageError("no")
    assert sent == ["https://hc.example/uuid/start?create=1&tag=&", "https://hc.example/uuid/2?create=1&tag=&"]
    over.set()
