"""What a batch made: rows as typed records, or as a DataFrame."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchgen.catalog import MICRO
from batchgen.folder.opening import look
from batchgen.ledger import ResultRow
from batchgen.manifest.headings import canonical
from batchgen.model import State
from batchgen.report.results import headings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Result:
    """A row of the manifest and what became of it, as in results.csv."""

    id: str
    row: int  # the record of the manifest, from 1
    status: State  # a str: archived, failed ...
    prompt: str
    video: str | None  # a file's whole path, or s3://...; the first where the service made several
    videos: tuple[str, ...]
    seed: int | None
    mode: str
    resolution: str | None
    duration: int | None  # seconds
    aspect_ratio: str | None
    provider: str | None
    negative_prompt: str | None
    image_urls: tuple[str, ...]  # without what signs them
    enable_prompt_expansion: bool | None
    task_id: str | None
    fail_code: str | None
    fail_message: str | None
    attempts: int  # POSTs that the service has or may have seen
    cost_usd: float | None  # of its tasks; of rows that share one, the first has it
    submitted_at: datetime | None  # UTC
    completed_at: datetime | None  # UTC, the service's
    generation_seconds: float | None
    bytes: int | None  # of all its videos
    sha256: tuple[str, ...]  # hex, of each video
    extras: dict[str, str]  # the manifest's own columns


# The columns that are not text; those of text may be blank.
_TYPES = {
    "row": "int64",
    "seed": "Int64",
    "duration": "Int64",
    "enable_prompt_expansion": "boolean",
    "attempts": "int64",
    "cost_usd": "float64",
    "submitted_at": "datetime64[ms, UTC]",
    "completed_at": "datetime64[ms, UTC]",
    "generation_seconds": "float64",
    "bytes": "Int64",
}
_COLUMNS = tuple(field.name for field in fields(Result) if field.name not in ("videos", "extras"))
_STATES = [state.value for state in State if state is not State.SUBMITTING]


def read_results(folder: Path, ledger_to: str | None) -> Iterator[Result]:
    """The rows of the present manifest, in its order. Raises :class:`UsageError` for a folder that is no batch."""
    with look(folder, ledger_to) as looked, looked.open() as ledger:
        for row in ledger.results():
            yield _result(row, folder)


def read_frame(folder: Path, ledger_to: str | None, numbers: Mapping[str, Any]) -> "pd.DataFrame":
    """The same as a DataFrame, with the manifest's own columns behind; ``numbers``: of which dtype some of them are."""
    import pandas as pd

    with look(folder, ledger_to) as looked, looked.open() as ledger:
        found = [_result(row, folder) for row in ledger.results()]
        own = ledger.own_columns()
    columns = {name: pd.Series([getattr(each, name) for each in found], dtype="object") for name in _COLUMNS}
    for name, sign in (("image_urls", "\n"), ("sha256", ";")):
        columns[name] = columns[name].map(lambda values, sign=sign: sign.join(values) or None)
    frame = pd.DataFrame(columns).astype({name: _TYPES.get(name, "str") for name in _COLUMNS})
    frame["status"] = pd.Categorical(frame["status"], categories=_STATES)
    for name, heading in zip(own, headings(own, _COLUMNS), strict=True):
        frame[heading] = _own([each.extras.get(name) for each in found], numbers.get(name))
    frame["id"] = _own(frame["id"], next((numbers[name] for name in numbers if canonical(name) == "id"), None))
    return frame


def _own(texts: Iterable[str | None], dtype: Any) -> "pd.Series[Any]":
    """A column as it was given: of this dtype, if it is one of numbers and all of them still are; else text."""
    import pandas as pd

    texts = list(texts)
    if dtype is not None:
        read = float if dtype.kind == "f" else int
        with suppress(ValueError, TypeError, OverflowError):
            return pd.Series([read(text) if text else None for text in texts], dtype="object").astype(dtype)
    return pd.Series(texts, dtype="str")


def _result(row: ResultRow, folder: Path) -> Result:
    job, request = row.job, row.job.request.public
    videos = tuple(place if "://" in place else str((folder / place).absolute()) for place in row.places)
    return Result(
        id=row.id,
        row=row.number,
        status=row.status,
        prompt=request.prompt,
        video=videos[0] if videos else None,
        videos=videos,
        seed=request.seed,
        mode=request.mode,
        resolution=request.resolution,
        duration=request.duration,
        aspect_ratio=request.aspect_ratio,
        provider=request.provider,
        negative_prompt=request.negative_prompt,
        image_urls=request.image_urls,
        enable_prompt_expansion=request.enable_prompt_expansion,
        task_id=job.task_id,
        fail_code=job.fail_code,
        fail_message=job.fail_message,
        attempts=job.attempts,
        cost_usd=None if row.cost is None else row.cost / MICRO,
        submitted_at=_moment(job.submitted_at),
        completed_at=_moment(job.completed_at),
        generation_seconds=job.generation_ms / 1000 if job.generation_ms is not None else None,
        bytes=row.bytes,
        sha256=row.sha256,
        extras=row.extras,
    )


def _moment(seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # the service's word
        return None
