"""Each breakage is still one: its line stands in the code, and its tests are there."""

import pytest

from tests.e2e.forked import ROOT
from tests.proof.breakages import BREAKAGES, Breakage


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_what_is_to_be_broken_stands_once_in_the_code_and_its_tests_are_there(breakage: Breakage) -> None:
    assert (ROOT / breakage.file).read_text(encoding="utf-8").count(breakage.old) == 1
    assert all((ROOT / test.partition("::")[0]).exists() for test in breakage.tests)
