"""What belongs to the whole process and is changed while a run is at work: put back once no run is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class Borrowed:
    """``take`` makes the change and gives what undoes it. Runs that overlap, in threads too, share one change."""

    def __init__(self, take: Callable[[], Callable[[], object]]) -> None:
        self._take = take
        self._lock = Lock()
        self._users = 0
        self._put_back: Callable[[], object] = lambda: None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """The change, for as long as the context lasts."""
        with self._lock:
            if self._users == 0:
                self._put_back = self._take()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._put_back()
