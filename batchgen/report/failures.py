"""failures.csv: the rows that failed or expired, as a manifest to mend and to feed back, with each one's reason."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from batchgen.ledger import Ledger, ResultRow
from batchgen.manifest.formulas import guard
from batchgen.manifest.headings import FAILURES, REASON, RESULTS
from batchgen.model import State
from batchgen.report.results import cells_of, headings, images_as_called
from batchgen.system.private import replacing

_EXPIRED = "the video was made and paid for, but its link died before it could be fetched"
_ADVICE = {"CONTENT_VIOLATION": "change the prompt", "INVALID_IMAGE_URL": "give a link that anybody can fetch"}


def write(ledger: Ledger, path: Path, ready: Callable[[Path], None] = lambda part: None) -> None:
    """Write the file whole, or take it away where nothing failed.

    ``ready`` is called with what is whole and about to take its place.
    """
    columns = ledger.own_columns()
    lines = _lines(ledger.results(State.FAILED, State.EXPIRED), columns, ledger.image_names())
    first = next(lines, None)
    if first is None:
        path.unlink(missing_ok=True)
        return
    with replacing(path, encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        own = headings(columns, (REASON,))  # one that is called as our last is told apart from it; the reader undoes it
        writer.writerow([*FAILURES, *map(guard, own), REASON])
        writer.writerows(chain([first], lines))
        file.flush()
        ready(Path(file.name))


def _lines(rows: Iterable[ResultRow], columns: Sequence[str], names: Mapping[str, str]) -> Iterator[list[str]]:
    for row in rows:
        own = (row.extras.get(name, "") for name in columns)
        yield [guard(cell) for cell in (*_cells(row, names), *own, reason(row))]


def _cells(row: ResultRow, names: Mapping[str, str]) -> Iterator[str]:
    known = dict(zip(RESULTS, cells_of(row), strict=True))
    known["image_urls"] = images_as_called(row, names)
    return map(known.__getitem__, FAILURES)


def reason(row: ResultRow) -> str:
    """Why the row has no video, and what may help."""
    job = row.job
    if row.status is State.EXPIRED:
        return f"expired: {job.fail_message or _EXPIRED}"
    code = job.fail_code or ""
    advice = f"; {_ADVICE[code]}" if code in _ADVICE else ""
    message = job.fail_message or "the service gave no reason"
    return f"failed: {message}{f' ({code})' if code else ''}{advice}"
