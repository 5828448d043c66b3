"""A run in a thread of its own, which has its own event loop: a notebook's is taken already."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Lock, Thread, main_thread
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from batchgen.steering.progress import Progress, Standing

if TYPE_CHECKING:
    from batchgen.dispatch.dispatcher import Dispatcher
    from batchgen.run import Stopping
    from batchgen.summary import Summary

LOOK_EVERY_SECONDS = 0.1
STOPPED = "stopped by the program"
STOPPED_EXIT_CODE = 130  # as by Ctrl-C

Work: TypeAlias = "Callable[[Watch, Stopping], Summary]"


class Brake:
    """Stops a run from another thread, also one that has not begun."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pulled = False
        self._halt: Callable[[], object] | None = None

    def pull(self) -> None:
        """End the run as soon as the answers to the POSTs in flight are recorded."""
        with self._lock:
            self._pulled = True
            if self._halt:
                self._halt()

    @contextmanager
    def __call__(self, dispatcher: "Dispatcher", _: Callable[[str], None]) -> Iterator[None]:
        """For as long as the batch runs (in the calling thread's loop)."""
        from batchgen.dispatch.dispatcher import Stop

        loop, stop = asyncio.get_running_loop(), Stop(STOPPED, STOPPED_EXIT_CODE)
        with self._lock:
            self._halt = lambda: loop.call_soon_threadsafe(dispatcher.halt, stop)
            if self._pulled:
                dispatcher.halt(stop)
        try:
            yield
        finally:
            with self._lock:
                self._halt = None


class Watch(Progress):
    """The progress of a run, told in its thread and read in others."""

    def __init__(self, brake: Brake) -> None:
        self.standing: Standing | None = None
        self._brake = brake

    def show(self, standing: Standing) -> None:
        """Keep it."""
        self.standing = standing
        if not main_thread().is_alive():  # the program has ended, and Python starts no more threads to fetch in
            self._brake.pull()

    def news(self) -> Iterator[list[Standing]]:
        """At each look, how it stands, or nothing where that has not changed since the last one."""
        seen = ""
        while True:
            standing = self.standing
            sentence = f"{standing}, {standing.waiting}" if standing else ""
            yield [standing] if standing and sentence != seen else []
            seen = sentence


class Run:
    """A run that goes on: watch it by iterating over it, wait for its :class:`Summary`, or stop it.

    ``for`` and ``async for`` give a :class:`Standing` twice a second at most, where what it says has changed, and
    raise what ended the run. As the context of ``with`` or ``async with``, a block that is left by an exception
    (Ctrl-C, a cancelled task) stops the run gently; a block that ends waits for it. Without either it goes on in the
    background; a program that ends stops it gently.
    """

    def __init__(self, work: Work) -> None:
        self._brake = Brake()
        self._watch = Watch(self._brake)
        self._future: Future[Summary] = Future()
        self._future.set_running_or_notify_cancel()
        Thread(target=self._go, args=(work,), name="batchgen").start()

    def _go(self, work: Work) -> None:
        try:
            self._future.set_result(work(self._watch, self._brake))
        except BaseException as error:
            self._future.set_exception(error)

    @property
    def standing(self) -> Standing | None:
        """How it stands; None until the manifest has been read."""
        return self._watch.standing

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._future.done()

    def stop(self) -> None:
        """Stop gently: answers that are under way are recorded, and what is paid is taken up by the next run."""
        self._brake.pull()

    def wait(self) -> "Summary":
        """Wait for the end. Raises what ended the run, a :class:`BatchgenError`."""
        return self._future.result()

    def __await__(self) -> "Generator[Any, None, Summary]":
        """Wait for the end; that the waiting is cancelled does not stop the run."""
        return asyncio.shield(asyncio.wrap_future(self._future)).__await__()

    def __iter__(self) -> Iterator[Standing]:
        news = self._watch.news()
        while not self.done:
            wait([self._future], timeout=LOOK_EVERY_SECONDS)
            yield from next(news)
        yield from next(news)  # what came between the last look and the end
        self.wait()

    async def __aiter__(self) -> AsyncIterator[Standing]:
        news = self._watch.news()
        while not self.done:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            for standing in next(news):
                yield standing
        for standing in next(news):
            yield standing
        self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.wait()
        else:
            self.stop()
            wait([self._future])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.stop()
        try:
            await self
        except Exception:
            if kind is None:  # else the block's own error is the one to tell; the run's is in run.log
                raise
