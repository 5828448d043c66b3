"""A container that runs a batch, step by step, with the program's own parts; and the service that is paid."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import pytest

from batchgen.errors import BatchBusyError, BatchgenError, ReplicaError
from batchgen.ledger import Ledger, recovery, take_in
from batchgen.model import Job, Row, State
from batchgen.replica import log as log_module
from batchgen.replica import replica as replica_module
from batchgen.replica.log import Log, Slot
from batchgen.replica.replica import StoreReplica
from tests.ledger.test_intake import RULES, request
from tests.replica.memory_store import MemoryStore

TRIES = 3


class GoneError(BaseException):
    """The container is gone, with or without its disk."""


class InlineWriter:
    """What :class:`batchgen.replica.writer.Writer` does, at once, and without a thread."""

    def __init__(self, log: Log) -> None:
        self.lost: BatchBusyError | None = None
        self.trouble: ReplicaError | None = None
        self._log = log

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def put(self, **facts: Any) -> "Future[Slot]":
        done: Future[Slot] = Future()
        try:
            done.set_result(self.put_now(0, **facts))
        except BatchgenError as error:
            done.set_exception(error)
        return done

    def put_now(self, seconds: float, **facts: Any) -> Slot:
        if self.lost:
            raise self.lost
        for _ in range(TRIES):
            try:
                return self._log.append(**facts)
            except BatchBusyError as error:
                self.lost = error
                raise
            except ReplicaError as error:
                self.trouble = error
        assert self.trouble
        raise self.trouble


class InlinePool:
    """Reads one object after another, in this thread."""

    def __init__(self, _: int) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, call: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [call(item) for item in items]


async def at_once(done: "Future[Slot]") -> Slot:
    return done.result()


def inline(patch: pytest.MonkeyPatch) -> None:
    """Let everything happen in this thread, and copies be made when a test says so."""
    patch.setattr(replica_module, "_result", at_once)
    patch.setattr(replica_module, "Writer", InlineWriter)
    patch.setattr(replica_module, "CHECKPOINT_SECONDS", float("inf"))
    patch.setattr(log_module, "ThreadPoolExecutor", InlinePool)


Copied: TypeAlias = tuple[StoreReplica, Ledger]


class Service:
    """Accepts everything, and counts it."""

    def __init__(self) -> None:
        self.paid: dict[str, list[str]] = {}

    def post(self, job: Job) -> str:
        tasks = self.paid.setdefault(job.request.prompt, [])
        tasks.append(f"task-{job.request.prompt}-{len(tasks)}")
        return tasks[-1]

    @property
    def twice(self) -> dict[str, list[str]]:
        return {prompt: tasks for prompt, tasks in self.paid.items() if len(tasks) > 1}


class Container:
    """One place where runs follow one another; its disk, ``folder``, may be lost between them."""

    def __init__(self, store: MemoryStore, service: Service, prompts: Sequence[str], folder: Path) -> None:
        self.store = store
        self.service = service
        self.folder = folder
        folder.mkdir()
        self.prompts = prompts
        self.runs = False
        self.intended: list[Job] = []
        self.ready: list[Job] = []  # their intents are in the store
        self.answered: list[tuple[Job, str]] = []

    # -- a run

    def start(self) -> None:
        """Claim, restore, take the manifest in, make the first copy. Raises what a run ends with."""
        assert not self.runs
        self.intended, self.ready, self.answered = [], [], []
        self.replica = StoreReplica(self.store, self.folder / "ledger.sqlite")
        self.replica.begin()
        self.ledger = Ledger.open(self.folder / "ledger.sqlite")
        self.runs = True
        try:
            take_in(self.ledger, [Row(n, n, request(prompt)) for n, prompt in enumerate(self.prompts, 1)], RULES)
            recovery.recover(self.ledger)
            self.replica.checkpoint(self.ledger)
        except BatchgenError:
            self.close()
            raise

    def intend(self) -> None:
        job = self.ledger.next_pending()
        if job:
            self.intended.append(self.ledger.intend(job))

    def ship(self) -> None:
        """What the pump does once; then the POSTs may leave."""
        with suppress(StopIteration):  # nothing in it has to wait
            self.replica._ship_changes(self.ledger).send(None)
        self.ready += self.intended
        self.intended = []

    def post(self) -> None:
        """A POST leaves, whoever has the log by now."""
        if self.ready:
            job = self.ready.pop(0)
            self.answered.append((job, self.service.post(job)))

    def withdraw(self) -> None:
        """The service was busy: surely not paid."""
        if self.ready:
            self.ledger.withdraw(self.ready.pop())

    def settle(self) -> None:
        """The answer is recorded here."""
        if self.answered:
            job, task = self.answered.pop(0)
            self.ledger.settle(replace(job, state=State.IN_FLIGHT, task_id=task), "accepted", "")

    def copy(self) -> None:
        self.replica.checkpoint(self.ledger)

    def end(self) -> None:
        """As a run ends: what waits is withdrawn, the last copy is made, the log let go."""
        for job in self.intended:
            self.ledger.withdraw(job)
        while self.ready:
            self.post()
        while self.answered:
            self.settle()
        recovery.recover(self.ledger)
        with suppress(BatchgenError):
            self.replica.checkpoint(self.ledger)
        self.replica.end()
        self.close()

    def close(self) -> None:
        self.ledger.close()
        self.runs = False

    def vanish(self, *, with_disk: bool) -> None:
        """kill -9, and perhaps rm -rf."""
        if self.runs:
            self.close()
        if with_disk:
            shutil.rmtree(self.folder)
            self.folder.mkdir()

    def do(self, *steps: str) -> None:
        for step in steps:
            getattr(self, step)()

    # -- what is to be seen

    def states(self) -> Counter[State]:
        return Counter(result.status for result in self.ledger.results())

    def tasks(self) -> dict[str, str | None]:
        """Prompt -> task, of the rows that are not in doubt."""
        return {
            result.job.request.prompt: result.job.task_id
            for result in self.ledger.results()
            if result.status is not State.IN_DOUBT
        }


def attempt(step: Callable[[], None]) -> str | None:
    """Do a step; what a run would stop with is returned."""
    try:
        step()
    except BatchgenError as error:
        return str(error)
    return None
