"""What the errors are outside the program: in another process."""

import pickle

import pytest

from batchgen.errors import ArchiveError, BatchgenError, FaultError, ManifestError, UsageError
from batchgen.model import Problem

PROBLEM = Problem(3, "seed", "this is none")


@pytest.mark.parametrize(
    "error",
    [
        UsageError("no such thing"),
        ManifestError("p.csv", [PROBLEM, PROBLEM]),
        FaultError(ValueError("secret"), "run.log"),
        ArchiveError("no room", full=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_back_whole_from_a_pool_of_processes(error: BatchgenError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (str(back), vars(back)) == (str(error), vars(error))
