"""A refusal of the account, the address or the model: of all, or an accident."""

import pytest

from batchgen.errors import AccountError
from batchgen.model import Job, State
from batchgen.request import Request
from batchgen.steps.suspects import DENIALS_BEFORE_STOP, ROWS_BEFORE_STOP, Suspects

REFUSAL = AccountError("the service refuses the account")


def job(key: int, prompt: str | None = None) -> Job:
    return Job(key, Request("wan-2-5", "text-to-video", prompt or f"prompt {key}"), State.SUBMITTING)


def test_where_others_get_through_it_is_never_all() -> None:
    suspects = Suspects()
    assert not suspects.is_all(job(1), REFUSAL)
    suspects.got_through()
    while not suspects.is_denied():
        pass
    assert not any(suspects.is_all(job(n), REFUSAL) for n in range(20))
    assert suspects.verdict is None
    assert suspects.acquit() == []


def test_two_prompts_before_any_got_through_are_all() -> None:
    suspects = Suspects()
    assert not suspects.is_all(job(1), REFUSAL)
    assert suspects.is_all(job(2), REFUSAL)
    assert suspects.acquit() == [job(1)]
    assert suspects.is_all(job(3), REFUSAL), "what was under way is judged no more"
    assert suspects.acquit() == []


def test_the_seeds_of_one_prompt_are_all_once_they_are_many() -> None:
    suspects = Suspects()
    stretch = [suspects.is_all(job(seed, "the same"), REFUSAL) for seed in range(ROWS_BEFORE_STOP)]
    assert stretch == [False] * (ROWS_BEFORE_STOP - 1) + [True]


@pytest.mark.parametrize("has_got_through", [False, True])
def test_the_service_s_own_word_counts_at_once_or_after_a_few_if_it_let_others_through(has_got_through: bool) -> None:
    suspects = Suspects()
    before = DENIALS_BEFORE_STOP - 1 if has_got_through else 0
    for _ in range(3 if has_got_through else 1):
        if has_got_through:
            suspects.got_through()
        assert [suspects.is_denied() for _ in range(before)] == [False] * before
    assert suspects.is_denied()


def test_a_run_in_which_nothing_tells_ends_with_the_refusal_and_says_that_it_may_be_of_a_row() -> None:
    suspects = Suspects()
    assert suspects.verdict is None
    suspects.is_all(job(1), REFUSAL)
    verdict = suspects.verdict
    assert verdict
    assert str(verdict).startswith(f"{REFUSAL}; it may be of one row alone")
    suspects.got_through()
    assert suspects.verdict is None
