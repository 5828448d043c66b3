"""Videos that a person has moved to where the videos go now: known by their names and their content."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from batchgen.archive import Archive
from batchgen.ledger import Ledger
from batchgen.model import Clip
from batchgen.videos.verify import READERS, in_window

FEW = 1000  # videos that are looked for one by one: for more, all that is there is listed first


def note_places(ledger: Ledger, archive: Archive, places: Collection[str] | None) -> list[str]:
    """Write down where the videos are that lie in the archive by now; returns their former places.

    ``places``: look for the videos of these; None: of all. Raises :class:`ArchiveError` if the archive does not answer.
    """
    number = ledger.database.number("SELECT count(*) FROM video") if places is None else len(places)
    names = archive.listed() if number > FEW else None
    wanted = None if places is None else frozenset(places)

    def may_be_there(place: str) -> bool:
        name = _name(place)
        if (wanted is not None and place not in wanted) or (names is not None and name not in names):
            return False
        return archive.place(name) != place

    def look(video: tuple[str, int, bytes, int, int]) -> tuple[str, str, int, int] | None:
        place, size, sha256, row, part = video
        name = _name(place)
        is_moved = archive.holds(name, Clip(size, sha256.hex()))
        return (place, archive.place(name), row, part) if is_moved else None

    videos = ledger.database.execute("SELECT place, bytes, sha256, row, part FROM video")
    with ThreadPoolExecutor(READERS) as pool:
        asked = (video for video in videos if may_be_there(video[0]))
        found = [each for each in in_window(pool, look, asked) if each]
    with ledger.database.transaction():
        ledger.database.execute_many(
            "UPDATE video SET place = ? WHERE row = ? AND part = ?", (moved for _, *moved in found)
        )
    return [place for place, *_ in found]


def _name(place: str) -> str:
    return place.rpartition("/")[2]
