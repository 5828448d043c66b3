"""What is wrong with a batch's folder, or with what a person gave in its place."""

import time
from pathlib import Path

import pytest

from batchgen.errors import LedgerError
from batchgen.folder.checks import check_service
from batchgen.others.reuse import Offer, take
from tests.ledger.test_ledger import filled, first


def test_a_batch_that_took_its_videos_from_another_one_is_bound_to_the_service_that_made_them() -> None:
    with filled(None) as ledger:
        ledger.remember({"service": "https://one.example"})
        check_service(Path("film.batch"), ledger, "https://other.example")  # nothing is known there yet
        take(ledger, [Offer(first(ledger).key, "elsewhere", "task_9", time.time(), "[]")])
        with pytest.raises(LedgerError, match=r"was made with the service https://one\.example"):
            check_service(Path("film.batch"), ledger, "https://other.example")
