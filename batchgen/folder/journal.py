"""run.log: what a run did, a line of JSON an event, never with a secret in it."""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from batchgen.errors import BatchgenError, FaultError
from batchgen.model import zulu
from batchgen.redaction import redaction
from batchgen.system import private
from batchgen.system.borrowed import Borrowed
from batchgen.words import escaped

SIZE_LIMIT_BYTES = 20_000_000
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# The journal of the run that the caller belongs to: a notebook may have several runs.
_present: ContextVar[logging.Handler | None] = ContextVar("_present", default=None)

logging.getLogger("batchgen").addHandler(logging.NullHandler())  # else Python would print what comes between runs


class _Lines(logging.Formatter):
    """A record as a line of JSON: when, what, and the facts that were given with it."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._redact = redaction(key)

    def format(self, record: logging.LogRecord) -> str:
        facts = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            facts["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        line = {
            "time": zulu(record.created, "milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **facts,
        }
        hide = self._redact
        return json.dumps(
            {name: hide(value) if isinstance(value, str) else value for name, value in line.items()}, default=str
        )


class _PrivateFile(RotatingFileHandler):
    """The log, rotated, readable for its owner alone; a full disk must not end a run."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=private.opener)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, which is ASCII; the base class would make it twice, once to know how long it is."""
        try:
            line = f"{self.format(record)}\n"
            self.stream = self.stream or self._open()
            if os.fstat(self.stream.fileno()).st_size + len(line) > self.maxBytes:
                self.doRollover()
                self.stream = self.stream or self._open()
            self.stream.write(line)
            self.stream.flush()
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Go on: a disk that is full must not end a run that still has paid videos to record."""


class _Alarm(logging.Handler):
    """What must be seen even where no file can be written; above a bar, which has standard error for itself."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{escaped(record.getMessage())}\n")


def _hush() -> Callable[[], None]:
    """Let our logger give all to its own handlers, and nothing to the caller's."""
    logger = logging.getLogger("batchgen")
    level, propagates = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False

    def restore() -> None:
        logger.setLevel(level)
        logger.propagate = propagates

    return restore


_hushed = Borrowed(_hush)


@contextmanager
def journal(path: Path, key: str, *, verbose: bool) -> Iterator[None]:
    """Write the program's log to ``path`` for as long as the context lasts; ``key`` is never written."""
    handler = _PrivateFile(path, maxBytes=SIZE_LIMIT_BYTES, backupCount=3, delay=True)
    handler.setFormatter(_Lines(key))
    logger = logging.getLogger("batchgen")
    handler.setLevel(logging.DEBUG if verbose else logging.INFO)
    alarm = _Alarm()
    alarm.setLevel(logging.CRITICAL)
    others = [logging.getLogger(name) for name in ("asyncio", "aiohttp")]  # they would shout on the terminal

    def is_ours(record: logging.LogRecord) -> bool:
        present = _present.get()
        return present is handler or (present is None and record.name == "batchgen")

    hands: tuple[logging.Handler, ...] = (handler, alarm)
    for hand in hands:
        hand.addFilter(is_ours)
        for each in (logger, *others):
            each.addHandler(hand)
    token = _present.set(handler)
    try:
        with _hushed():
            yield
    except BatchgenError:
        raise
    except Exception as error:
        logger.error("unexpected error", exc_info=error)
        raise FaultError(error, str(path)) from error
    finally:
        _present.reset(token)
        for each in (logger, *others):
            for hand in hands:
                each.removeHandler(hand)
        with suppress(OSError):  # a full disk: what was not written takes no summary away
            handler.close()
