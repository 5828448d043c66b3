"""A batch's figures as a Prometheus text file, for node_exporter's textfile collector (which reads ``*.prom``)."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from batchgen.summary import STATES, Summary

_HELP = {
    "batchgen_last_run_end_time_seconds": "When the last run ended, in Unix seconds.",
    "batchgen_last_run_exit_code": "The exit code of the last run; 0: every row is archived.",
    "batchgen_last_run_duration_seconds": "How long the last run took.",
    "batchgen_last_run_submitted_tasks": "Tasks that the last run asked for and that were accepted.",
    "batchgen_last_run_cost_usd": "What the tasks of the last run cost at most.",
    "batchgen_rows": "Rows of the manifest, by state.",
    "batchgen_failed_rows": "Rows that failed, by the service's code.",
    "batchgen_archived_bytes": "Size of all archived videos.",
}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def write(path: Path, batch: Path, exit_code: int, summary: Summary | None) -> None:
    """Write the file whole, readable for everybody: the collector runs as another user. Raises :class:`OSError`.

    Without a ``summary`` (no run came about) only its end and its exit code are told.
    """
    part = path.with_name(f".{path.name}.part")
    text = "".join(_lines(str(batch.absolute()), exit_code, summary))
    with open(part, "w", encoding="utf-8", errors="replace", opener=_no_link) as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)
    part.replace(path)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o644)


def _lines(batch: str, exit_code: int, summary: Summary | None) -> Iterator[str]:
    for name, words in _HELP.items():
        values = list(_values(name, exit_code, summary))
        if values:
            yield f"# HELP {name} {words}\n# TYPE {name} gauge\n"
        for labels, value in values:
            shown = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in {"batch": batch, **labels}.items())
            yield f"{name}{{{shown}}} {value}\n"


def _values(name: str, exit_code: int, summary: Summary | None) -> Iterator[tuple[dict[str, str], float]]:
    """The values of a metric, each with its labels besides the batch's."""
    match name.removeprefix("batchgen_"):
        case "last_run_end_time_seconds":
            yield {}, round(time.time(), 3)
        case "last_run_exit_code":
            yield {}, exit_code
        case _ if summary is None:
            return
        case "last_run_duration_seconds":
            yield {}, summary.seconds
        case "last_run_submitted_tasks":
            yield {}, summary.submitted
        case "last_run_cost_usd":
            yield {}, round(summary.spent_usd, 6)
        case "rows":
            yield from (({"state": state}, getattr(summary, state)) for state in STATES)
        case "failed_rows":
            yield from (({"code": code}, rows) for code, rows in summary.failures.items())
        case "archived_bytes":
            yield {}, summary.bytes
