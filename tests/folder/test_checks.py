"""What is wrong with a batch's folder, or with what a person gave in its place."""

import time
from pathlib import Path

import pytest

from batchgen.errors import LedgerError
from batchgen.folder.checks import check_service, refuse_results_without_ledger
from batchgen.model import EMULATOR
from batchgen.others.reuse import Offer, take
from tests.ledger.test_ledger import filled, first


def test_a_batch_that_took_its_videos_from_another_one_is_bound_to_the_service_that_made_them() -> None:
    with filled(None) as ledger:
        ledger.remember({"service": "https://one.example"})
        check_service(Path("film.batch"), ledger, "https://other.example")  # nothing is known there yet
        take(ledger, [Offer(first(ledger).key, "elsewhere", "task_9", time.time(), "[]")])
        with pytest.raises(LedgerError, match=r"was made with the service https://one\.example"):
            check_service(Path("film.batch"), ledger, "https://other.example")


@pytest.mark.parametrize(("known", "other"), [(EMULATOR, "https://one.example"), ("https://one.example", EMULATOR)])
def test_a_batch_of_the_emulator_and_one_in_earnest_are_never_one_even_before_the_first_task(
    known: str, other: str
) -> None:
    with filled(None) as ledger:
        ledger.remember({"service": known})
        with pytest.raises(LedgerError, match="made with the"):
            check_service(Path("film.batch"), ledger, other)


@pytest.mark.parametrize("left", ["results.csv", "videos/r1.mp4"])
def test_results_or_videos_alone_are_enough_to_miss_the_ledger(tmp_path: Path, left: str) -> None:
    (tmp_path / "videos").mkdir()
    refuse_results_without_ledger(tmp_path)
    (tmp_path / left).touch()
    with pytest.raises(LedgerError, match="holds results but no ledger"):
        refuse_results_without_ledger(tmp_path)
