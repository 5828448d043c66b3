"""Every archived video read again and compared with the ledger."""

import hashlib
import json
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from batchgen.archive import MissingError, UnreadableError
from batchgen.archive.places import Places
from batchgen.errors import ArchiveError
from batchgen.folder.opening import open_at_rest, open_for_run
from batchgen.ledger import Ledger
from batchgen.model import LEDGER
from batchgen.settings import Settings
from batchgen.system.private import free_name
from batchgen.words import many

READERS = 8
WINDOW = 8 * READERS  # videos that are being read, or wait for it

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Damage:
    """An archived video that is not as it was."""

    id: str
    place: str
    what: str  # missing, changed or unreadable


@dataclass(frozen=True)
class Verified:
    """What came of reading everything again."""

    batch: str
    checked: int
    damaged: tuple[Damage, ...]
    unfetched: int = 0  # more that are made and not archived, those that expired too
    repaired: int | None = None  # of those damaged, fetched again; None: nobody tried
    run_exit: int = 0  # of the run that fetched them

    def __str__(self) -> str:
        """The outcome for a person."""
        again = "" if self.repaired is None else f", {self.repaired} fetched again"
        more = f"; {many(self.unfetched, 'is', 'are')} made and not archived" if self.unfetched else ""
        return f"{many(self.checked, 'video')} read, {len(self.damaged)} damaged{again}{more}"

    def to_json(self) -> str:
        """The outcome as one line."""
        facts = asdict(self)
        del facts["run_exit"]
        return json.dumps(facts | {"exit": self.exit_code}, ensure_ascii=False)

    @property
    def exit_code(self) -> int:
        """0 if all is as it was, or is so again, and nothing waits; a repair that was stopped has its run's own."""
        if self.run_exit > 1:
            return self.run_exit
        return 1 if len(self.damaged) > (self.repaired or 0) or self.unfetched else 0


def verify_batch(batch: Path, ledger_to: str | None, *, repair: Settings | None) -> Verified:
    """Read every archived video again; those that are damaged are forgotten if a ``repair`` is to fetch them.

    Raises what a run with the settings of the repair would, before anything is changed.
    """
    if repair is None:
        with open_at_rest(batch, ledger_to) as ledger:
            return read_again(batch, ledger)
    with open_for_run(repair) as (ledger, replica):
        found = read_again(batch, ledger)
        if found.damaged:
            set_aside(batch, found.damaged)
            forget(ledger, found.damaged)
        replica.checkpoint(ledger)
        return found


def read_again(batch: Path, ledger: Ledger) -> Verified:
    """Read every archived video. Raises :class:`ArchiveError` if a store does not answer."""
    videos = ledger.database.execute(
        "SELECT id, place, bytes, sha256 FROM video JOIN row USING (row) ORDER BY row.position, part"
    )
    places = Places(batch, connections=READERS)

    def check(video: tuple[str, str, int, bytes]) -> Damage | None:
        identity, place, size, sha256 = video
        what = _damage(places, place, size, sha256)
        return Damage(identity, place, what) if what else None

    checked, damaged = 0, []
    with ThreadPoolExecutor(READERS) as pool:
        for damage in in_window(pool, check, videos):
            checked += 1
            damaged += [damage] if damage else []
    return Verified(str(batch), checked, tuple(damaged), _unfetched(ledger))


def _unfetched(ledger: Ledger) -> int:
    """How many more are made and not archived; of those that expired, the ones that the manifest still has."""
    expired = "SELECT count(*) FROM job WHERE state = 'expired' AND wanted > 0"
    return ledger.unfetched()[0] + ledger.database.number(expired)


def in_window(pool: ThreadPoolExecutor, work: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """As ``pool.map``, which would take all items at once: a million videos are not held in memory.

    Once one fails, none is begun any more: with a store that hangs, each takes minutes.
    """
    waiting: deque[Future[_R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == WINDOW:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _damage(places: Places, place: str, size: int, sha256: bytes) -> str | None:
    digest, read = hashlib.sha256(), 0
    try:
        for piece in places.read(place):
            digest.update(piece)
            read += len(piece)
    except MissingError:
        return "missing"
    except UnreadableError:
        return "unreadable"
    return None if (read, digest.digest()) == (size, sha256) else "changed"


def forget(ledger: Ledger, damaged: tuple[Damage, ...]) -> None:
    """Let the damaged videos be fetched again, from their links, or from their places if they are there again.

    A disk that is not mounted looks as if all of its videos were missing, and their links may be dead.
    """
    with ledger.database.transaction():
        for row in {row for damage in damaged for row in _rows(ledger, damage)}:
            ledger.database.execute(
                "UPDATE job SET source = (SELECT json_group_array(json_array(place, bytes, lower(hex(sha256)))) "
                "FROM video WHERE row = :row) WHERE job = (SELECT job FROM row WHERE row = :row)",
                {"row": row},
            )
            ledger.database.execute("DELETE FROM video WHERE row = ?", (row,))
        ledger.database.execute(
            "UPDATE job SET state = 'rendered', urls = NULL WHERE state = 'archived' AND task_id IS NOT NULL "
            "AND job IN (SELECT job FROM row WHERE row NOT IN (SELECT row FROM video))"
        )


def _rows(ledger: Ledger, damage: Damage) -> list[int]:
    found = ledger.database.execute(
        "SELECT row FROM video JOIN row USING (row) WHERE place = ? AND id = ?", (damage.place, damage.id)
    )
    return [row for (row,) in found]


def after_repair(found: Verified, batch: Path, run_exit: int) -> Verified:
    """What was found, with what a run has fetched again since; it ended with ``run_exit``."""
    with Ledger.open(batch / LEDGER, read_only=True) as ledger:
        missing = ledger.database.execute(
            "SELECT id FROM row JOIN job USING (job) WHERE row NOT IN (SELECT row FROM video) "
            "AND state IN ('rendered', 'expired', 'archived')"
        )
        lacking = {identity for (identity,) in missing}
        unfetched = _unfetched(ledger)
    repaired = sum(damage.id not in lacking for damage in found.damaged)
    return replace(found, unfetched=unfetched, repaired=repaired, run_exit=run_exit)


def set_aside(batch: Path, damaged: tuple[Damage, ...]) -> None:
    """Move local files out of the way of what is fetched in their place; nothing is deleted.

    A folder that has a video's name stays: the video gets another.
    """
    for damage in damaged:
        path = batch / damage.place
        if damage.what == "missing" or damage.place.startswith("s3://") or not _is_file(path):
            continue
        try:
            path.rename(free_name(path, damage.what))
        except OSError as error:
            raise ArchiveError(f"{path} cannot be moved aside: {error.strerror}") from None


def _is_file(path: Path) -> bool:
    """Whether there is one, or a link, which is moved itself; also where only trying to move it can tell."""
    try:
        return not stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
