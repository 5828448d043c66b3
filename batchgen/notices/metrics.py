"""A batch's figures as a Prometheus text file, for node_exporter's textfile collector (which reads ``*.prom``)."""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from batchgen.steering.progress import Progress, Standing
from batchgen.summary import STATES, Summary
from batchgen.system.private import replacing

Sample: TypeAlias = tuple[str, Mapping[str, str], float]  # name, labels besides the batch's, value

WRITE_EVERY_SECONDS = 15.0  # as often as Prometheus looks, by default
_HELP = {
    "batchgen_run_active": "Whether a run was at work when this was written.",
    "batchgen_written_time_seconds": "When this was written, in Unix seconds.",
    "batchgen_rows": "Rows of the manifest, by state; while a run is at work, those it was asked for.",
    "batchgen_rows_per_minute": "Rows settled in the last minute.",
    "batchgen_failed_rows": "Rows that failed, by the service's code.",
    "batchgen_archived_bytes": "Size of all archived videos.",
    "batchgen_last_run_exit_code": "The exit code of the last run; 0: every row is archived.",
    "batchgen_last_run_duration_seconds": "How long the last run took.",
    "batchgen_last_run_submitted_tasks": "Tasks that the last run asked for and that were accepted.",
    "batchgen_last_run_cost_usd": "What the tasks of the last run cost at most.",
}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Metered(Progress):
    """A progress that is also written to a file now and then; if it cannot be, that is told when the run has ended."""

    def __init__(self, progress: Progress, path: Path, batch: Path) -> None:
        self._progress = progress
        self._path = path
        self._batch = batch
        self._next = time.monotonic()

    def show(self, standing: Standing) -> None:
        """Write it, if it is time, and pass it on."""
        self._progress.show(standing)
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + WRITE_EVERY_SECONDS
        try:
            _write(self._path, self._batch, _of_standing(standing))
        except OSError:
            self._next = float("inf")

    def end(self) -> None:
        """Pass it on."""
        self._progress.end()


def write_end(path: Path, batch: Path, exit_code: int, summary: Summary | None) -> None:
    """Write how a run ended. Raises :class:`OSError`.

    Without a ``summary`` (no run came about) only that is told.
    """
    ended: list[Sample] = [("batchgen_run_active", {}, 0), ("batchgen_last_run_exit_code", {}, exit_code)]
    _write(path, batch, [*ended, *(_of_summary(summary) if summary else ())])


def _of_standing(standing: Standing) -> Iterator[Sample]:
    yield "batchgen_run_active", {}, 1
    for state in STATES:
        rows = standing.failed - standing.expired if state == "failed" else getattr(standing, state)
        yield "batchgen_rows", {"state": state}, rows
    yield "batchgen_rows_per_minute", {}, round(standing.per_minute, 3)


def _of_summary(summary: Summary) -> Iterator[Sample]:
    for state in STATES:
        yield "batchgen_rows", {"state": state}, getattr(summary, state)
    for code, rows in summary.failures.items():
        yield "batchgen_failed_rows", {"code": code}, rows
    yield "batchgen_archived_bytes", {}, summary.bytes
    yield "batchgen_last_run_duration_seconds", {}, summary.seconds
    yield "batchgen_last_run_submitted_tasks", {}, summary.submitted
    yield "batchgen_last_run_cost_usd", {}, round(summary.spent_usd, 6)


def _write(path: Path, batch: Path, samples: Iterable[Sample]) -> None:
    """Write the file whole, readable for everybody: the collector runs as another user."""
    samples = [*samples, ("batchgen_written_time_seconds", {}, round(time.time(), 3))]
    with replacing(path, permissions=0o644, encoding="utf-8", errors="replace") as file:
        file.writelines(_lines(str(batch.absolute()), samples))


def _lines(batch: str, samples: Iterable[Sample]) -> Iterator[str]:
    last = ""
    for name, labels, value in samples:
        if name != last:
            yield f"# HELP {name} {_HELP[name]}\n# TYPE {name} gauge\n"
            last = name
        shown = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in {"batch": batch, **labels}.items())
        yield f"{name}{{{shown}}} {value}\n"
