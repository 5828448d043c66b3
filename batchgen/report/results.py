"""results.csv: a line a row, in the manifest's order, with the manifest's own columns."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from batchgen.catalog import MICRO
from batchgen.ledger import Ledger, ResultRow
from batchgen.manifest import values
from batchgen.manifest.formulas import guard
from batchgen.manifest.headings import RESULTS
from batchgen.model import zulu_or_none
from batchgen.system.private import replacing


def write(ledger: Ledger, path: Path) -> None:
    """Write the file whole or leave the one that is there."""
    own = ledger.own_columns()
    with replacing(path, encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([guard(name) for name in (*RESULTS, *headings(own))])
        writer.writerows(_lines(ledger.results(), own))


def headings(own: Iterable[str], ours: Iterable[str] = RESULTS) -> Iterator[str]:
    """A column of the manifest that is called as one of ours is told apart from it, whatever its case: Status."""
    taken = set(ours)
    for name in own:
        heading = name
        while heading.strip().casefold() in taken:
            heading = f"manifest_{heading}"
        taken.add(heading.strip().casefold())
        yield heading


def _lines(rows: Iterable[ResultRow], own: Sequence[str]) -> Iterator[list[str]]:
    for row in rows:
        cells = (*cells_of(row), *(row.extras.get(name, "") for name in own))
        yield [guard(cell) for cell in cells]


def cells_of(row: ResultRow) -> tuple[str, ...]:
    """What stands in a row's line, under :data:`RESULTS`."""
    job, request = row.job, row.job.request.public  # without what signs its links
    expansion, milliseconds = request.enable_prompt_expansion, job.generation_ms
    return (
        row.id,
        str(row.number),
        row.status.value,
        ";".join(row.places),
        request.prompt,
        "" if request.seed is None else str(request.seed),
        request.mode,
        request.resolution or "",
        "" if request.duration is None else str(request.duration),
        request.aspect_ratio or "",
        request.provider or "",
        request.negative_prompt or "",
        "\n".join(request.image_urls),
        "" if expansion is None else str(expansion).lower(),
        job.task_id or "",
        job.fail_code or "",
        job.fail_message or "",
        str(job.attempts),
        "" if row.cost is None else f"{row.cost / MICRO:g}",
        zulu_or_none(job.submitted_at, "milliseconds") or "",
        zulu_or_none(job.completed_at, "milliseconds") or "",
        "" if milliseconds is None else f"{milliseconds / 1000:.3f}",
        "" if row.bytes is None else str(row.bytes),
        ";".join(row.sha256),
    )


def images_as_called(row: ResultRow, names: Mapping[str, str]) -> str:
    """The row's images, those on this machine as the manifest calls them: nobody knows one by its hash.

    One on each line, unless one could be taken for two.
    """
    called = [names.get(image, image) for image in row.job.request.public.image_urls]
    plain = "\n".join(called)
    is_plain = not called or values.images(plain, str) == tuple(called)
    return plain if is_plain else json.dumps(called, ensure_ascii=False)
