"""A disk in whose hand it lies when a write ends."""

import io
import threading
from typing import Any


class Slow(io.BytesIO):
    """A disk that writes nothing before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write = threading.Event()
        self.began = threading.Event()

    def write(self, data: Any) -> int:
        self.began.set()
        assert self.may_write.wait(30)
        return super().write(data)
