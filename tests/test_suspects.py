"""A refusal of more than what a row asks for: of the rows that got it alone, of all, or of all for now."""

import pytest

from batchgen.errors import AccountError
from batchgen.model import Job, Request, State
from batchgen.suspects import (
    DENIALS_BEFORE_STOP,
    PATIENCE_SECONDS,
    ROWS_BEFORE_STOP,
    TRIES,
    Judgement,
    Suspects,
)

REFUSAL = AccountError("the service refuses the account")
AGAIN, ALONE, FOR_NOW, ALL = Judgement


def job(key: int, prompt: str | None = None) -> Job:
    return Job(key, Request("wan-2-5", "text-to-video", prompt or f"prompt {key}"), State.SUBMITTING)


def judged(
    suspects: Suspects, *jobs: Job, is_bare: bool = True, others: bool = False, now: float = 0
) -> list[Judgement]:
    return [suspects.judge(job, REFUSAL, is_bare=is_bare, others=others, now=now) for job in jobs]


def after_others() -> Suspects:
    suspects = Suspects()
    suspects.got_through()
    return suspects


def test_a_row_that_others_get_past_is_alone_in_it() -> None:
    suspects = Suspects()
    assert judged(suspects, job(1)) == [ALONE]
    suspects.got_through()
    assert judged(suspects, *[job(2)] * TRIES) == [AGAIN] * (TRIES - 1) + [ALONE]
    assert suspects.verdict is None
    assert suspects.acquit() == [job(2)]


def test_a_row_that_gets_through_on_its_second_try_is_none() -> None:
    suspects = after_others()
    assert judged(suspects, job(1)) == [AGAIN]
    suspects.got_through()
    assert suspects.acquit() == []


def test_two_prompts_in_a_row_before_any_got_through_are_all() -> None:
    suspects = Suspects()
    assert judged(suspects, job(1), job(2)) == [ALONE, ALL]
    assert suspects.acquit() == [job(1)]
    assert judged(suspects, job(3)) == [ALL], "what was under way is judged no more"


def test_while_others_are_under_way_two_prompts_are_no_proof_and_nothing_more_leaves() -> None:
    suspects = Suspects()
    assert judged(suspects, job(1), job(2), others=True) == [ALONE, ALONE]
    assert suspects.is_open
    suspects.got_through()
    assert not suspects.is_open
    assert suspects.acquit() == []


def test_if_the_last_that_is_under_way_is_refused_too_it_is_all() -> None:
    suspects = Suspects()
    judged(suspects, job(1), job(2), job(3), others=True)
    assert judged(suspects, job(4)) == [ALL]
    assert suspects.acquit() == [job(1), job(2), job(3)]


def test_the_seeds_of_one_prompt_are_no_proof_against_others() -> None:
    suspects = Suspects()
    assert judged(suspects, *[job(seed, "the same") for seed in range(4)]) == [ALONE] * 4
    suspects.got_through()
    assert suspects.acquit() == []


def test_a_stretch_of_rows_is_all_whatever_they_ask_for() -> None:
    rows = [job(n, "the same") for n in range(ROWS_BEFORE_STOP)]
    assert judged(Suspects(), *rows) == [ALONE] * (ROWS_BEFORE_STOP - 1) + [ALL]


def refused_for_now() -> Suspects:
    suspects = after_others()
    for n in range(ROWS_BEFORE_STOP):
        judged(suspects, *[job(n)] * TRIES)
    assert suspects.is_open
    return suspects


def test_where_others_got_through_a_stretch_is_all_for_now_and_no_row_fails_for_it() -> None:
    suspects = refused_for_now()
    assert len(suspects.acquit()) == ROWS_BEFORE_STOP - 1
    assert judged(suspects, job(0), job(77), now=PATIENCE_SECONDS - 1) == [FOR_NOW, FOR_NOW]
    suspects.got_through()
    assert not suspects.is_open
    assert judged(suspects, job(78), now=PATIENCE_SECONDS - 1) == [AGAIN]


def test_what_does_not_pass_is_all() -> None:
    assert judged(refused_for_now(), job(77), now=PATIENCE_SECONDS) == [ALL]


@pytest.mark.parametrize("has_got_through", [False, True])
def test_the_service_s_own_word_counts_at_once_or_after_a_few_if_it_let_others_through(has_got_through: bool) -> None:
    suspects = after_others() if has_got_through else Suspects()
    before = DENIALS_BEFORE_STOP - 1 if has_got_through else 0
    rows = [job(n) for n in range(before + 1)]
    assert judged(suspects, *rows, is_bare=False) == [AGAIN] * before + [ALL]
    assert suspects.acquit() == []


def test_a_run_in_which_nothing_tells_ends_with_the_refusal_and_says_that_it_may_be_of_a_row() -> None:
    suspects = Suspects()
    assert suspects.verdict is None
    judged(suspects, job(1))
    verdict = suspects.verdict
    assert verdict
    assert str(verdict).startswith(f"{REFUSAL}; it may be of one row alone")
    suspects.got_through()
    assert suspects.verdict is None
