"""Objects under a prefix of a bucket, each written once and never changed. Every method blocks; threads may share it.

What another run must not do at the same time is decided by the store: ``create`` writes only what is not there
(If-None-Match: *), so of many that create one object exactly one does. What is old is decided by its clock.
"""

import secrets
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, Protocol

from botocore.exceptions import ClientError

from batchgen.errors import ReplicaError, UsageError, nothing_sent
from batchgen.s3.client import connect, split
from batchgen.s3.refusals import code_of, refusals, status_of

CONNECTIONS = 16
DELETES_AT_ONCE = 1000
_TIMEOUTS: dict[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": 20,
    "retries": {"mode": "standard", "max_attempts": 3},
}
_CONFLICT_TRIES = 5


@dataclass(frozen=True)
class Found:
    """An object, and for how long it has been there."""

    body: bytes
    age: float  # seconds, by the store's clock


class Store(Protocol):
    """What the copy is kept in. ``str()`` of it is its address. All raise :class:`ReplicaError`."""

    def create(self, key: str, body: bytes | BinaryIO) -> bool:
        """Write an object. False: there is one of that key, perhaps this very one by an earlier try."""

    def read(self, key: str) -> Found | None:
        """The object; None if there is none."""

    def sizes(self, under: str) -> dict[str, int]:
        """The objects whose keys begin so, in order, each with its bytes."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there do no harm."""


class BucketStore:
    """A prefix of a bucket. Credentials, region and endpoint are those of the standard AWS configuration."""

    def __init__(self, address: str) -> None:
        try:
            self._bucket, prefix = split(address)
        except UsageError as error:
            raise UsageError(f"--ledger-to {error}") from None
        self._prefix = f"{prefix}/" if prefix else ""
        with self._refusals():
            self._client, _ = connect(CONNECTIONS, **_TIMEOUTS)

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def create(self, key: str, body: bytes | BinaryIO) -> bool:
        """Write an object that is not there yet; see :class:`Store`."""
        with self._refusals():
            for tries in range(_CONFLICT_TRIES):
                try:
                    if not isinstance(body, bytes):
                        body.seek(0)
                    self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body, IfNoneMatch="*")
                    return True
                except ClientError as error:
                    if status_of(error) == 412:
                        return False
                    if code_of(error) != "ConditionalRequestConflict":
                        raise
                    time.sleep(0.05 * 2**tries)  # another one is writing it at this moment
        raise ReplicaError(f"{self}: others are writing to it")

    def read(self, key: str) -> Found | None:
        """The object, and its age as the store's own clock tells it."""
        with self._refusals():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            except ClientError as error:
                if status_of(error) == 404:
                    return None
                raise
            with answer["Body"] as body:
                content = body.read()
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return Found(content, (now - answer["LastModified"]).total_seconds())

    def sizes(self, under: str) -> dict[str, int]:
        """The objects whose keys begin so, in order, each with its bytes."""
        with self._refusals():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + under
            )
            found = [entry for page in pages for entry in page.get("Contents", [])]
        return {key.removeprefix(self._prefix): size for key, size in sorted((e["Key"], e["Size"]) for e in found)}

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        names = [{"Key": self._prefix + key} for key in keys]
        with self._refusals():
            for first in range(0, len(names), DELETES_AT_ONCE):
                some = {"Objects": names[first : first + DELETES_AT_ONCE], "Quiet": True}
                answer = self._client.delete_objects(Bucket=self._bucket, Delete=some)
                if refused := answer.get("Errors"):  # of each object by itself, in an answer that is good
                    raise ClientError({**answer, "Error": refused[0]}, "DeleteObjects")

    def _refusals(self) -> AbstractContextManager[None]:
        return refusals(ReplicaError, str(self), "--ledger-to")


def prove(store: Store) -> None:
    """Try that the store can do what is asked of it. Raises :class:`UsageError`."""
    key = f"probe-{secrets.token_hex(8)}"
    with nothing_sent():
        store.create(key, b"probe")  # False: an earlier try, whose answer was lost
        is_careless = store.create(key, b"other")
        found = store.read(key)
        listed = list(store.sizes(key))
        with suppress(ReplicaError):  # what may not be removed stays there, which the run's log tells
            store.delete([key])
        if is_careless:
            raise ReplicaError(
                f"{store}: the store overwrites what it is asked not to (it ignores If-None-Match), so it could not "
                "keep two runs apart; give another with --ledger-to"
            )
        if listed != [key] or found is None or found.body != b"probe":
            raise ReplicaError(
                f"{store}: what is written there does not come back as it was; run again, or give another store with "
                "--ledger-to"
            )
