"""Every archived video read again and compared with the ledger."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from batchgen.archive import Archive, MissingError, open_archive
from batchgen.errors import ArchiveError
from batchgen.ledger import Ledger

READERS = 8


@dataclass(frozen=True)
class Damage:
    """An archived video that is not as it was."""

    id: str
    place: str
    what: str  # missing or changed


@dataclass(frozen=True)
class Verified:
    """What came of reading everything again."""

    batch: str
    checked: int
    damaged: tuple[Damage, ...]

    def to_json(self) -> str:
        """The outcome as one line."""
        return json.dumps(asdict(self) | {"exit": self.exit_code}, ensure_ascii=False)

    @property
    def exit_code(self) -> int:
        """0 if all is as it was."""
        return 1 if self.damaged else 0


def read_again(batch: Path, ledger: Ledger) -> Verified:
    """Read every archived video. Raises :class:`ArchiveError` if a store does not answer."""
    videos = ledger.database.execute(
        "SELECT id, place, bytes, sha256 FROM video JOIN row USING (row) ORDER BY row.position, part"
    ).fetchall()
    archives = _Archives(batch, ledger)

    def check(video: tuple[str, str, int, bytes]) -> Damage | None:
        identity, place, size, sha256 = video
        what = _damage(archives.of(place), place, size, sha256)
        return Damage(identity, place, what) if what else None

    with ThreadPoolExecutor(READERS) as pool:
        damaged = tuple(damage for damage in pool.map(check, videos) if damage)
    return Verified(str(batch), len(videos), damaged)


class _Archives:
    """The stores that a batch's videos are in: usually one, more if its destination was changed."""

    def __init__(self, batch: Path, ledger: Ledger) -> None:
        self._batch = batch
        self._tag = ledger.fact("tag") or "verify"
        self._disk = self._open(str(batch / "videos"))
        self._buckets: dict[str, Archive] = {}
        for (place,) in ledger.database.execute("SELECT DISTINCT place FROM video WHERE place LIKE 's3://%'"):
            bucket = "/".join(place.split("/")[:3])
            if bucket not in self._buckets:
                self._buckets[bucket] = self._open(bucket)

    def of(self, place: str) -> Archive:
        """The store that a place is in."""
        return self._buckets["/".join(place.split("/")[:3])] if place.startswith("s3://") else self._disk

    def _open(self, destination: str) -> Archive:
        return open_archive(destination, tag=self._tag, scratch=self._batch, home=self._batch, connections=READERS)


def _damage(archive: Archive, place: str, size: int, sha256: bytes) -> str | None:
    digest, read = hashlib.sha256(), 0
    try:
        for piece in archive.read(place):
            digest.update(piece)
            read += len(piece)
    except MissingError:
        return "missing"
    return None if (read, digest.digest()) == (size, sha256) else "changed"


def forget(ledger: Ledger, damaged: tuple[Damage, ...]) -> int:
    """Let the damaged videos be fetched again, from their links; returns how many jobs that is."""
    with ledger.database.transaction():
        for damage in damaged:
            ledger.database.execute(
                "DELETE FROM video WHERE row IN "
                "(SELECT row FROM video JOIN row USING (row) WHERE place = ? AND id = ?)",
                (damage.place, damage.id),
            )
        return ledger.database.execute(
            "UPDATE job SET state = 'rendered', urls = NULL WHERE state = 'archived' AND task_id IS NOT NULL "
            "AND job IN (SELECT job FROM row WHERE row NOT IN (SELECT row FROM video))"
        ).rowcount


def set_aside(batch: Path, damaged: tuple[Damage, ...]) -> None:
    """Move local files that were changed out of the way of what is fetched in their place; nothing is deleted."""
    for path in _changed_files(batch, damaged):
        aside = path.with_name(f"{path.stem}.changed{path.suffix}")
        number = 2
        while aside.exists():
            aside = path.with_name(f"{path.stem}.changed-{number}{path.suffix}")
            number += 1
        try:
            path.rename(aside)
        except OSError as error:
            raise ArchiveError(f"{path} cannot be moved aside: {error.strerror}") from None


def _changed_files(batch: Path, damaged: tuple[Damage, ...]) -> Iterator[Path]:
    for damage in damaged:
        if damage.what == "changed" and not damage.place.startswith("s3://"):
            yield batch / damage.place
