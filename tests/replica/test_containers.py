"""Containers that come and go at any instant, sleep, and meet: no row is paid for twice, and no task is lost unseen.

A history is drawn from a seed: two containers, one store, one service, and at any request to the store a container may
vanish, get no answer, or sleep while the other does a good deal.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batchgen.errors import ReplicaError
from batchgen.model import State
from batchgen.replica.log import TAKEOVER_SECONDS
from tests.replica.container import Container, GoneError, Service, attempt, inline
from tests.replica.memory_store import MemoryStore

PROMPTS = [f"p{number}" for number in range(60)]
EVENTS = 40
WORK = ("intend", "intend", "ship", "ship", "post", "post", "settle", "withdraw", "copy")


class History:
    """What happened to two containers."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.draw = random.Random(seed)
        self.store, self.service = MemoryStore(), Service()
        self.containers = [Container(self.store, self.service, PROMPTS, folder / name) for name in "ab"]
        self.told: list[str] = []

    def close(self) -> None:
        for container in self.containers:
            container.vanish(with_disk=True)

    # -- what happens

    def event(self) -> None:
        container = self.draw.choice(self.containers)
        happens = self.draw.choices(
            (self.work, self.stumble, self.vanish, self.end, self.wait), weights=(8, 8, 2, 1, 2)
        )[0]
        happens(container)

    def do(self, container: Container, step: str) -> None:
        """A step that a container can take, with what a run would stop with; a run that is deposed ends, mostly."""
        if container.runs == (step == "start"):
            return
        why = attempt(getattr(container, step))
        self.told.append(f"{self.containers.index(container)} {step}: {why or 'done'}")
        if why and container.runs and self.draw.random() < 0.5:
            self.do(container, "end")

    def work(self, container: Container) -> None:
        self.do(container, "start")
        for step in self.draw.choices(WORK, weights=(6, 6, 4, 4, 4, 4, 4, 1, 1), k=self.draw.randint(1, 12)):
            self.do(container, step)

    def vanish(self, container: Container) -> None:
        self.told.append(f"{self.containers.index(container)} vanishes")
        container.vanish(with_disk=self.draw.random() < 0.6)

    def end(self, container: Container) -> None:
        self.do(container, "end")

    def wait(self, _: Container) -> None:
        self.store.now += self.draw.choice((10.0, TAKEOVER_SECONDS))

    def stumble(self, container: Container) -> None:
        """Something happens at one of the requests to the store."""
        if not container.runs and self.draw.random() < 0.7:
            self.store.now += TAKEOVER_SECONDS
        step = self.draw.choice(("ship", "ship", "copy", "end")) if container.runs else "start"
        event = self.draw.choice((self._vanish, self._fail, self._sleep, self._tear))
        self.do(container, "intend")
        try:
            with self._at_request(self.draw.randint(1, 14 if step == "start" else 6), event, container):
                self.do(container, step)
        except GoneError:
            self.vanish(container)

    @contextmanager
    def _at_request(self, nth: int, event: Callable[[Container, str], None], container: Container) -> Iterator[None]:
        left = nth

        def happens(what: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.store.happens = lambda _: None
                self.told.append(f"{self.containers.index(container)} {event.__name__} {what}")
                event(container, what)

        self.store.happens = happens
        try:
            yield
        finally:
            self.store.happens = lambda _: None

    def _vanish(self, _: Container, what: str) -> None:
        raise GoneError

    def _fail(self, _: Container, what: str) -> None:
        raise ReplicaError("no answer")

    def _sleep(self, container: Container, what: str) -> None:
        other = next(each for each in self.containers if each is not container)
        self.store.now += self.draw.choice((10.0, TAKEOVER_SECONDS, TAKEOVER_SECONDS))
        for _ in range(self.draw.randint(1, 3)):
            self.work(other)
            self.do(other, "copy")
        if self.draw.random() < 0.3:
            self.do(other, "end")

    def _tear(self, container: Container, what: str) -> None:
        """An upload breaks off, and the store keeps an object without a byte; the machine may vanish with it."""
        moment, _, key = what.rpartition(" ")
        if moment == "before create":
            self.store.objects.setdefault(key, (b"", self.store.now))
        event = self.draw.choice((self._vanish, self._fail, self._sleep))
        event(container, what)

    # -- what must be so

    def ends_well(self) -> None:
        """A new container, when all others are gone: what was paid is known or in doubt, the rest is paid for."""
        for container in self.containers:
            container.vanish(with_disk=True)
        self.store.now += TAKEOVER_SECONDS
        last = self.containers[0]
        last.start()
        paid = {prompt: tasks[0] for prompt, tasks in self.service.paid.items()}
        known = last.tasks()
        assert {prompt: task for prompt, task in known.items() if task} == {
            prompt: task for prompt, task in paid.items() if prompt in known
        }
        while last.states()[State.PENDING]:
            last.do("intend", "intend", "ship", "post", "post", "settle", "settle")
        assert not self.service.twice
        assert last.states()[State.IN_FLIGHT] + last.states()[State.IN_DOUBT] == len(PROMPTS)
        last.end()


@pytest.mark.parametrize("seed", range(30))
def test_no_row_is_paid_for_twice_whatever_happens_to_containers(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(monkeypatch)
    history = History(seed, tmp_path)
    try:
        for _ in range(EVENTS):
            history.event()
            assert not history.service.twice, history.told
        history.ends_well()
    finally:
        history.close()
