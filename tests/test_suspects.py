"""A refusal in words that are not the service's: of the rows that got it alone, or of all."""

import pytest

from batchgen.errors import AccountError
from batchgen.model import Job, Request, State
from batchgen.suspects import ROWS_BEFORE_STOP, Suspects

REFUSAL = AccountError("the service refuses the account")


def job(key: int, prompt: str | None = None) -> Job:
    return Job(key, Request("wan-2-5", "text-to-video", prompt or f"prompt {key}"), State.SUBMITTING)


def test_a_row_that_others_get_past_is_alone_in_it() -> None:
    suspects = Suspects()
    assert not suspects.is_all(job(1), REFUSAL)
    suspects.got_through()
    assert not suspects.is_all(job(2), REFUSAL)
    assert suspects.verdict is None
    assert suspects.acquit() == [job(2)]


def test_two_prompts_in_a_row_before_any_got_through_are_all() -> None:
    suspects = Suspects()
    assert not suspects.is_all(job(1), REFUSAL)
    assert suspects.is_all(job(2), REFUSAL)
    assert suspects.acquit() == [job(1)]
    assert suspects.is_all(job(3), REFUSAL), "what was under way is judged no more"


def test_the_seeds_of_one_prompt_are_no_proof_against_others() -> None:
    suspects = Suspects()
    assert not any(suspects.is_all(job(seed, "the same"), REFUSAL) for seed in range(4))
    suspects.got_through()
    assert suspects.acquit() == []


@pytest.mark.parametrize("has_got_through", [False, True])
def test_a_stretch_of_rows_is_all_whatever_they_ask_for_and_whatever_got_through_before(has_got_through: bool) -> None:
    suspects = Suspects()
    if has_got_through:
        suspects.got_through()
    stretch = [
        suspects.is_all(job(n, None if has_got_through else "the same"), REFUSAL) for n in range(ROWS_BEFORE_STOP)
    ]
    assert stretch == [False] * (ROWS_BEFORE_STOP - 1) + [True]


def test_a_run_in_which_nothing_tells_ends_with_the_refusal_and_says_that_it_may_be_of_a_row() -> None:
    suspects = Suspects()
    assert suspects.verdict is None
    suspects.is_all(job(1), REFUSAL)
    verdict = suspects.verdict
    assert verdict
    assert str(verdict).startswith(f"{REFUSAL}; it may be of one row alone")
    suspects.got_through()
    assert suspects.verdict is None
