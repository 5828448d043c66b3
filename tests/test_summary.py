"""What a summary says to a person who was not there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchgen.model import ABANDONED
from batchgen.summary import Summary

DONE = Summary(
    batch="/srv/film/prompts.batch", rows=9, archived=9, failed=0, expired=0, in_doubt=0, pending=0, in_flight=0,
    rendered=0, selected=9, submitted=9, reused=0, bytes=1, seconds=1.0, stopped=None, exit=0,
)  # fmt: skip


def test_a_success_needs_no_advice_even_if_rows_that_were_not_chosen_wait() -> None:
    assert DONE.advice() == []
    assert replace(DONE, archived=5, pending=4, selected=5).advice() == []


def test_the_next_run_is_not_said_to_ask_for_rows_that_were_not_chosen() -> None:
    assert replace(DONE, exit=1, pending=4).advice() == []
    (told,) = replace(DONE, exit=1, pending=4, selected_pending=1).advice()
    assert told == "1 pending: not asked for yet; the next run asks for it"


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({"exit": 0}, False),
        ({"exit": 1}, True),
        ({"exit": 1, "failed": 2, "failed_before": 2}, False),
        ({"exit": 1, "failed": 2, "failed_before": 1}, True),
        ({"exit": 1, "failed": 2, "failed_before": 2, "stopped": "the disk is full"}, True),
        ({"exit": 1, "failed": 2, "failed_before": 2, "expired": 1}, True),
        ({"exit": 1, "failed": 2, "failed_before": 2, "in_flight": 1}, True),
        ({"exit": 1, "failed": 2, "failed_before": 2, "awaited_gone": 1}, True),
        ({"exit": 3, "failed": 2, "failed_before": 2, "stopped": "no credits"}, True),
        ({"exit": 4, "pending": 5}, False),
        ({"exit": 4, "in_flight": 2, "rendered": 1}, False),
        ({"exit": 4, "failed": 2, "failed_before": 2}, False),
        ({"exit": 4, "failed": 3, "failed_before": 2}, True),
        ({"exit": 4, "expired": 1}, True),
        ({"exit": 4, "in_doubt": 1}, True),
        ({"exit": 4, "rendered": 1, "fetch_failures": {"HTTP 500": 1}}, True),
        ({"exit": 4, "submitted": 0}, True),
        ({"exit": 143}, True),
    ],
)
def test_a_person_is_needed_only_where_a_run_did_not_get_on_or_something_is_amiss_that_was_not_told(
    changes: dict[str, Any], needs: bool
) -> None:
    assert replace(DONE, **changes).needs_a_person == needs


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("failed", "failures.csv"),
        ("expired", "--retry-failed"),
        ("in_doubt", "batchgen resolve '/srv/my film/prompts.batch'"),
        ("rendered", "batchgen rescue '/srv/my film/prompts.batch'"),
        ("in_flight", "the next run picks it up"),
        ("pending", "the next run asks for them"),
    ],
)
def test_every_state_that_is_not_the_wanted_one_has_its_advice(state: str, words: str) -> None:
    two = {state: 2, "selected_pending": 2 if state == "pending" else 0}
    (told,) = replace(DONE, batch="/srv/my film/prompts.batch", exit=1, **two).advice()  # type: ignore[arg-type]
    assert told.startswith("2 ")
    assert words in told


def test_commands_find_the_ledger_in_s3_where_the_folder_may_be_gone_by_then() -> None:
    ended = replace(DONE, exit=1, in_doubt=1, rendered=1, failures={ABANDONED: 1}, ledger_to="s3://b/my ledger")
    commands = [line for words in ended.advice() for line in words.splitlines() if "batchgen " in line]
    assert [command.split()[1] for command in commands] == ["resolve", "resolve", "rescue"]
    assert all("prompts.batch --ledger-to 's3://b/my ledger'" in command for command in commands)


def test_made_videos_that_wait_are_told_with_the_day_on_which_the_first_dies() -> None:
    (told,) = replace(DONE, exit=1, rendered=1, first_death="2026-12-10T02:00+00:00").advice()
    assert "2026-12-10T02:00+00:00" in told


@pytest.mark.parametrize("until", ["2026-12-10T02:00Z", None])
def test_expired_videos_are_told_with_the_day_until_which_runs_try_them_anew_if_any_do(until: str | None) -> None:
    (told,) = replace(DONE, exit=1, expired=1, expired_until=until).advice()
    assert ("each run tries it anew" in told) == (until is not None)
    assert "failures.csv has each one's reason" in told
    assert until is None or until in told


def test_made_videos_that_wait_are_told_with_the_commonest_reason_and_how_many_have_another() -> None:
    causes = {"cdn.example: not a whole MP4 (text/html)": 3, "cdn.example: the host answered HTTP 206": 1}
    (told,) = replace(DONE, exit=1, rendered=5, fetch_failures=causes).advice()
    assert told.startswith("5 made and not fetched (cdn.example: not a whole MP4 (text/html); 2 for other reasons); ")
    (told,) = replace(DONE, exit=1, rendered=3, fetch_failures=causes).advice()
    assert told.startswith("3 made and not fetched (cdn.example: not a whole MP4 (text/html)); ")


@pytest.mark.parametrize("state", ["in_flight", "in_doubt", "expired"])
def test_of_a_batch_of_the_emulator_nothing_is_told_as_paid(state: str) -> None:
    told = " ".join(replace(DONE, exit=1, **{state: 2}).advice())  # type: ignore[arg-type]
    assert "paid for, " in told
    emulated = " ".join(replace(DONE, exit=1, emulated=True, **{state: 2}).advice())  # type: ignore[arg-type]
    assert "paid for, " not in emulated


def test_of_many_causes_the_most_frequent_are_named() -> None:
    failures = {f"CODE_{n}": 9 - n for n in range(8)}
    (told,) = replace(DONE, exit=1, failed=44, failures=failures).advice()
    assert "(CODE_0 9, CODE_1 8, CODE_2 7, CODE_3 6, CODE_4 5, ...)" in told


@pytest.mark.parametrize(
    ("before", "words"),
    [(0, "(X 5)"), (3, "(X 5; 2 of them in this run)"), (5, "(X 5; none of them in this run)")],
)
def test_failed_rows_are_told_with_how_many_of_them_are_news(before: int, words: str) -> None:
    (told,) = replace(DONE, exit=1, failed=5, failures={"X": 5}, failed_before=before).advice()
    assert told.startswith(f"5 failed {words}: ")


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "When that is mended"), (3, "key or the credits"), (4, "The next run"), (143, "The next run")],
)
def test_a_stop_is_told_with_what_to_do(code: int, words: str) -> None:
    (told,) = replace(DONE, exit=code, stopped="the moon is full").advice()
    assert told.startswith("stopped: the moon is full. ")
    assert words in told


def test_a_reason_that_says_itself_what_to_do_is_not_told_twice() -> None:
    reason = "the disk has no room: free some space, and run again"
    assert replace(DONE, exit=1, stopped=reason).advice() == [f"stopped: {reason}"]


def test_what_a_run_paid_is_told_in_dollars_where_it_paid_any() -> None:
    assert DONE.paid() == "9 tasks paid for by this run"
    assert replace(DONE, spent_usd=1234.5).paid() == "9 tasks paid for by this run (up to $1,234.50)"
    some = replace(DONE, spent_usd=14.0, doubtful_usd=4.4)
    assert some.paid() == "9 tasks paid for by this run (up to $9.60, and perhaps $4.40 for lost answers)"
    none = replace(DONE, submitted=0, spent_usd=4.4, doubtful_usd=4.4)
    assert none.paid() == "0 tasks paid for by this run (perhaps $4.40 for lost answers)"


def test_a_paragraph_is_one_line_with_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run.log").touch()
    told = str(replace(DONE, batch="b", rows=1, archived=0, submitted=1, failed=1, exit=1, failures={"?": 1}))
    assert "\n" not in told
    assert told.startswith(f"{tmp_path}/b: 1 row, 1 failed. 1 task paid for by this run. 1 failed (without a code 1): ")
    assert told.endswith(f". Log: {tmp_path}/b/run.log.")
