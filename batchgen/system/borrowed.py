"""A setting of the whole process, such as its limit of open files, that is changed while runs are at work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class Borrowed:
    """Changed by the first run that enters, put back by the last that leaves: they may overlap, in threads too.

    ``take`` makes the change, and returns what undoes it.
    """

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
