"""Whom a run tells that it began and how it ended: ``--ping``, ``--notify``, ``--metrics``."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING

from batchgen.errors import BatchBusyError, BatchgenError, FaultError

if TYPE_CHECKING:
    from types import FrameType

    from batchgen.steering.progress import Progress
    from batchgen.summary import Summary


@contextmanager
def announced(
    batch: Path, ping: str | None, notify: str | None, metrics: Path | None, warn: Callable[[str], None]
) -> Iterator[Callable[["Summary"], None]]:
    """Tell that a run begins, and how it ended, however that is; gives what is to be called with its summary."""
    from batchgen.notices.notice import Ending, Notices

    notices = Notices(ping, notify, warn)

    def ended(ending: Ending, summary: "Summary | None" = None) -> None:
        is_in_the_way = summary is None and ending.exit == BatchBusyError.exit_code
        if metrics and not is_in_the_way:  # else the file is that of the run at work
            _write_metrics(metrics, batch, ending.exit, summary, warn)
        notices.end(ending)

    def failed(code: int | None, words: str) -> None:
        ended(Ending(code, f"{batch.absolute()}: {words}", {"batch": str(batch), "stopped": words}))

    with _signals():
        notices.begin()
        try:
            yield lambda summary: ended(Ending(summary.exit, str(summary), asdict(summary)), summary)
        except BatchgenError as error:
            failed(None if isinstance(error, FaultError) else error.exit_code, str(error))
            raise
        except (KeyboardInterrupt, SystemExit) as stop:
            code = stop.code if isinstance(stop, SystemExit) and isinstance(stop.code, int) else 130
            failed(code, "stopped by a signal")
            raise
        except Exception:
            failed(None, "an unexpected error")
            raise


def metered(progress: "Progress", path: Path | None, batch: Path) -> "Progress":
    """The progress, written to a file too, if there is one to write."""
    if path is None:
        return progress
    from batchgen.notices.metrics import Metered

    return Metered(progress, path, batch)


def _write_metrics(
    path: Path, batch: Path, code: int | None, summary: "Summary | None", warn: Callable[[str], None]
) -> None:
    from batchgen.notices.metrics import write_end

    try:
        write_end(path, batch, 1 if code is None else code, summary)
    except OSError as error:
        warn(f"--metrics {path} could not be written: {error.strerror}")


@contextmanager
def _signals() -> Iterator[None]:
    """Before and after the batch, which has handlers of its own, a signal raises SystemExit: so others are told."""

    def caught(number: int, frame: "FrameType | None") -> None:
        raise SystemExit(128 + number)

    if current_thread() is not main_thread():  # whose signals are not ours
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, caught)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
