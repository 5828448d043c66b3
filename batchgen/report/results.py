"""results.csv: a line a row, in the manifest's order, with the manifest's own further columns."""

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from batchgen.formulas import guard
from batchgen.ledger import Ledger, ResultRow

COLUMNS = (
    "id",
    "row",
    "status",
    "video",
    "prompt",
    "seed",
    "mode",
    "resolution",
    "duration",
    "aspect_ratio",
    "provider",
    "negative_prompt",
    "image_urls",
    "enable_prompt_expansion",
    "task_id",
    "fail_code",
    "fail_message",
    "attempts",
    "submitted_at",
    "completed_at",
    "generation_seconds",
    "bytes",
    "sha256",
)


def write(ledger: Ledger, further: Sequence[str], path: Path) -> None:
    """Write the file whole or leave the one that is there. ``further`` are the manifest's own columns."""
    part = path.with_name(f".{path.name}.part")
    with open(part, "w", encoding="utf-8", newline="", opener=_private) as file:
        writer = csv.writer(file)
        writer.writerow([guard(name) for name in (*COLUMNS, *headings(further))])
        writer.writerows(_lines(ledger.results(), further))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def headings(further: Iterable[str], ours: Iterable[str] = COLUMNS) -> Iterator[str]:
    """A column of the manifest that is called as one of ours is told apart from it."""
    taken = set(ours)
    for name in further:
        heading = name
        while heading in taken:
            heading = f"manifest_{heading}"
        taken.add(heading)
        yield heading


def _lines(rows: Iterable[ResultRow], further: Sequence[str]) -> Iterator[list[str]]:
    for row in rows:
        yield [guard(cell) for cell in (*_cells(row), *(row.extras.get(name, "") for name in further))]


def _cells(row: ResultRow) -> tuple[str, ...]:
    job, request = row.job, row.job.request.public  # without what signs its links
    return (
        row.id,
        str(row.number),
        row.status.value,
        ";".join(row.places),
        request.prompt,
        _text(request.seed),
        request.mode,
        _text(request.resolution),
        _text(request.duration),
        _text(request.aspect_ratio),
        _text(request.provider),
        _text(request.negative_prompt),
        "\n".join(request.image_urls),
        _text(request.enable_prompt_expansion).lower(),
        _text(job.task_id),
        _text(job.fail_code),
        _text(job.fail_message),
        str(job.attempts),
        _time(job.submitted_at),
        _time(job.completed_at),
        f"{job.generation_ms / 1000:.3f}" if job.generation_ms is not None else "",
        _text(row.bytes),
        ";".join(row.sha256),
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return ""
