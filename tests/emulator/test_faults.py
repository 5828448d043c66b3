import pytest

from batchgen.emulator import file_faults, status_faults, submit_faults
from batchgen.emulator.faults import TABLE, Faults, parse_shares


def drawn(faults: Faults, count: int = 1000) -> list[str | None]:
    return [faults.draw("submit", "")[0] for _ in range(count)]


def test_every_named_fault_can_be_done_and_the_other_way_round() -> None:
    acts = submit_faults.ACTS.keys() | status_faults.ACTS.keys() | file_faults.ACTS.keys()
    assert {name for name in TABLE if not name.startswith("callback-")} == acts
    assert {name.partition("-")[0] for name in TABLE} == {"submit", "status", "file", "callback"}


def test_draws_repeat_with_the_seed_and_keep_to_the_shares() -> None:
    shares = {"submit-lost": 0.25, "submit-503": 0.25, "file-404": 1.0}
    first = drawn(Faults(shares, seed=1))
    assert drawn(Faults(shares, seed=1)) == first
    assert drawn(Faults(shares, seed=2)) != first
    for name in ("submit-lost", "submit-503"):
        assert 200 < first.count(name) < 300
    assert first.count(None) + first.count("submit-lost") + first.count("submit-503") == 1000


def test_a_share_of_one_is_always_and_of_nought_never() -> None:
    assert set(drawn(Faults({"submit-lost": 1}))) == {"submit-lost"}
    assert set(drawn(Faults({"submit-lost": 0}))) == {None}


def test_draws_go_on_after_a_restart_instead_of_repeating() -> None:
    shares = {"submit-lost": 0.5}
    whole = drawn(Faults(shares), 40)
    later = Faults(shares)
    later.skip("submit", 20)
    assert drawn(later, 20) == whole[20:]


def test_words_of_the_command_line_become_shares() -> None:
    assert parse_shares(["submit-lost=0.25", "file-cut=1"]) == {"submit-lost": 0.25, "file-cut": 1.0}
    assert parse_shares([]) == {}


@pytest.mark.parametrize("word", ["nothing=0.5", "submit-lost", "submit-lost=", "submit-lost=often"])
def test_words_that_name_no_fault_or_share_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match=word.partition("=")[0]):
        parse_shares([word])


@pytest.mark.parametrize("shares", [{"nothing": 0.5}, {"submit-lost": 1.5}, {"submit-lost": -0.1}])
def test_shares_that_cannot_be_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="known names"):
        Faults(shares)


def test_a_plan_that_names_a_fault_of_another_endpoint_is_an_error() -> None:
    with pytest.raises(ValueError, match="file-404"):
        Faults(plan=lambda _: "file-404").draw("submit", "")
