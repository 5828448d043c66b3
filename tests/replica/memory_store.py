"""A store in memory, with a clock moved by hand; something can happen before and after each request."""

from collections.abc import Callable, Iterable
from typing import BinaryIO

from batchgen.replica.store import Found


class MemoryStore:
    """What :class:`batchgen.replica.store.Store` promises. ``happens`` is called before and after each request."""

    def __init__(self, address: str = "s3://memory/ledger") -> None:
        self._address = address
        self.now = 0.0
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.happens: Callable[[str], None] = lambda _: None

    def __str__(self) -> str:
        return self._address

    def create(self, key: str, body: bytes | BinaryIO) -> bool:
        self.happens(f"before create {key}")
        is_new = key not in self.objects
        if is_new:
            self.objects[key] = (body if isinstance(body, bytes) else body.read(), self.now)
        self.happens(f"after create {key}")
        return is_new

    def read(self, key: str) -> Found | None:
        self.happens(f"before read {key}")
        found = self.objects.get(key)
        return Found(found[0], self.now - found[1]) if found else None

    def sizes(self, under: str) -> dict[str, int]:
        self.happens(f"before list {under}")
        found = {key: len(self.objects[key][0]) for key in sorted(self.objects) if key.startswith(under)}
        self.happens(f"after list {under}")
        return found

    def delete(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self.happens(f"before delete {key}")
            self.objects.pop(key, None)
        self.happens("after delete")
