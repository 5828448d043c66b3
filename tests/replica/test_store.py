"""The bucket that a ledger's copies are kept in."""

from pathlib import Path
from typing import Any

import pytest

from batchgen.ledger import Ledger
from batchgen.replica.copies import KEPT
from batchgen.replica.replica import StoreReplica
from batchgen.replica.store import BucketStore, prove
from tests.s3_server import S3Server


def test_a_bucket_that_lets_nothing_be_removed_will_do_and_the_runs_log_tells_so(
    aws: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*, Delete: Any, **_: Any) -> dict[str, Any]:  # noqa: N803 (so boto3 calls it)
        return {"Errors": [{"Key": each["Key"], "Code": "AccessDenied"} for each in Delete["Objects"]]}

    store = BucketStore("s3://night/kept/ledger")
    monkeypatch.setattr(store._client, "delete_objects", refuse)
    prove(store)
    replica = StoreReplica(store, tmp_path / "ledger.sqlite")
    replica.begin()
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        for _ in range(KEPT + 1):
            replica.checkpoint(ledger)
    replica.end()
    (told,) = caplog.records
    assert "was not removed" in told.getMessage()
    assert "s3:DeleteObject is refused" in vars(told)["reason"]
