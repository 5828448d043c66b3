"""Problems, gathered: what is equal is told once, with the lines that it stands in."""

from hypothesis import given
from hypothesis import strategies as st

from batchgen.errors import ManifestError
from batchgen.model import Problem
from batchgen.problems import Gathered, total


def gathered(*lines: int, limit: int = 9) -> str:
    (problem,) = Gathered(limit, [Problem(line, "seed", "no") for line in lines]).problems()
    return str(problem)


def test_one_is_told_with_its_line() -> None:
    assert gathered(7) == "line 7, column seed: no"


def test_equal_ones_are_told_with_their_stretches() -> None:
    assert gathered(*range(2, 402)) == "lines 2-401 (400 rows), column seed: no"
    assert gathered(2, 3, 5, 9) == "lines 2-3, 5, 9 (4 rows), column seed: no"
    assert gathered(*range(2, 2000, 2)) == "lines 2, 4, 6, 8, ... 1998 (999 rows), column seed: no"


def test_a_question_is_told_as_a_warning_and_apart_from_an_error() -> None:
    problems = Gathered(9, [Problem(2, "x", "?", fatal=False), Problem(2, "x", "?")]).problems()
    assert [str(problem) for problem in problems] == ["line 2, column x: ?", "warning: line 2, column x: ?"]


def test_of_too_many_different_ones_the_others_are_counted() -> None:
    problems = Gathered(2, [Problem(n, "x", f"no {n % 5}") for n in range(1, 11)]).problems()
    assert [str(problem) for problem in problems] == [
        "lines 1, 6 (2 rows), column x: no 1",
        "lines 2, 7 (2 rows), column x: no 2",
        "6 errors more are not listed",
    ]
    assert total(problems) == "10 errors"


def test_a_list_of_mistakes_ends_with_their_number() -> None:
    problems = Gathered(9, [Problem(2, "x", "no"), Problem(3, "x", "no"), Problem(3, "y", "?", fatal=False)]).problems()
    assert str(ManifestError("p.csv", problems)).splitlines()[-1] == "2 errors, 1 warning"
    assert str(ManifestError("p.csv", [Problem(2, "x", "no")])) == "p.csv: line 2, column x: no"


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from("xy"), st.booleans()), max_size=60), st.integers(1, 5))
def test_the_number_counts_every_one_and_a_fatal_one_is_never_lost(
    found: list[tuple[int, str, bool]], limit: int
) -> None:
    problems = [Problem(line, column, "no", fatal) for line, column, fatal in sorted(found)]
    made = Gathered(limit, problems)
    assert made.is_fatal == any(fatal for *_, fatal in found)
    assert sum(problem.rows for problem in made.problems()) == len(found)
