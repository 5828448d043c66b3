"""The one thread that writes the log: entry after entry, each tried until it is there, and a heartbeat in silence."""

import logging
import queue
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLateError
from typing import Any

from batchgen.errors import BatchgenError, FaultError, ReplicaError
from batchgen.replica import log as log_module
from batchgen.replica.log import Log, Slot
from batchgen.retry import backoff

LONGEST_PAUSE_SECONDS = 5.0
STOP_SECONDS = 30.0  # longer than a request to the store takes

log = logging.getLogger("batchgen")


class Writer:
    """Writes what :meth:`put` is given, in that order; begun by :meth:`start`."""

    def __init__(self, log: Log) -> None:
        self.lost: BatchgenError | None = None  # why nothing more is written: another run has claimed the log, mostly
        self.trouble: ReplicaError | None = None  # why the entry at hand could not be written so far
        self.tries = 0  # of it, in vain
        self._log = log
        self._queue: queue.SimpleQueue[tuple[dict[str, Any], Future[Slot]] | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger copy", daemon=True)

    def start(self) -> None:
        """Begin; from now on the log is touched by the thread alone."""
        self._thread.start()

    def put(self, **facts: Any) -> "Future[Slot]":
        """Write an entry. The result is its slot, or what :attr:`lost` says; while the store is down there is none."""
        done: Future[Slot] = Future()
        self._queue.put((facts, done))
        return done

    def put_now(self, seconds: float, **facts: Any) -> Slot:
        """The same, awaited. Raises :class:`ReplicaError` if it takes longer."""
        try:
            return self.put(**facts).result(seconds)
        except TooLateError:
            raise self.trouble or ReplicaError("the store of the ledger's copy does not answer") from None

    def stop(self) -> None:
        """Write nothing more; an entry that is being tried is given up after this try."""
        self._stopped.set()
        self._queue.put(None)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                given = self._queue.get(timeout=log_module.HEARTBEAT_SECONDS)
            except queue.Empty:
                given = ({}, Future())
            if given is not None:
                self._write(*given)

    def _write(self, facts: dict[str, Any], done: "Future[Slot]") -> None:
        self.tries = 0
        while self.lost is None and not self._stopped.is_set():
            try:
                slot = self._log.append(**facts)
            except ReplicaError as error:
                self.trouble = error
                self.tries += 1
                self._stopped.wait(backoff(self.tries, base=0.2, cap=LONGEST_PAUSE_SECONDS))
            except BatchgenError as error:
                self.lost = error
            except Exception as error:  # a mistake of ours: better an end than a wait for ever
                log.error("unexpected error", exc_info=error)
                self.lost = FaultError(error)
            else:
                self.trouble = None
                done.set_result(slot)
                return
        if self.lost:
            done.set_exception(self.lost)
