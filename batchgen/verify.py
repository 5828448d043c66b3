"""Every archived video read again and compared with the ledger."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from batchgen.archive import MissingError
from batchgen.archive.places import Places
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
    places = Places(batch, connections=READERS)

    def check(video: tuple[str, str, int, bytes]) -> Damage | None:
        identity, place, size, sha256 = video
        what = _damage(places, place, size, sha256)
        return Damage(identity, place, what) if what else None

    with ThreadPoolExecutor(READERS) as pool:
        damaged = tuple(damage for damage in pool.map(check, videos) if damage)
    return Verified(str(batch), len(videos), damaged)


def _damage(places: Places, place: str, size: int, sha256: bytes) -> str | None:
    digest, read = hashlib.sha256(), 0
    try:
        for piece in places.read(place):
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
