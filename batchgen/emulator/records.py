"""What the emulator saw: every request, download and callback, for tests to look at."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class RequestRecord:
    """One request to the API. ``status`` is 0 while it is answered, and 499 when it got no whole answer."""

    at: float  # time.monotonic()
    method: str
    path: str  # with its query
    status: int = 0


@dataclass
class FileRecord:
    """One request for a video, with its headers: none of them may carry the API key."""

    at: float  # time.monotonic()
    path: str  # without its query
    headers: dict[str, str]
    status: int = 0


@dataclass(frozen=True)
class CallbackRecord:
    """One attempt to deliver a callback; ``status`` is 0 when nobody answered."""

    at: float  # time.monotonic()
    task_id: str
    kind: str  # true, early, broken, forged-failed or forged-url
    attempt: int  # from 0
    status: int


class Records:
    """The lists of what was seen, in order of arrival."""

    def __init__(self) -> None:
        self.requests: list[RequestRecord] = []
        self.files: list[FileRecord] = []
        self.callbacks: list[CallbackRecord] = []

    def request(self, method: str, path: str) -> RequestRecord:
        """Note a request to the API; its status is filled in when it is known."""
        self.requests.append(RequestRecord(time.monotonic(), method, path))
        return self.requests[-1]

    def file(self, path: str, headers: Mapping[str, str]) -> FileRecord:
        """Note a request for a video; its status is filled in when it is known."""
        self.files.append(FileRecord(time.monotonic(), path, dict(headers)))
        return self.files[-1]

    def callback(self, task_id: str, kind: str, attempt: int, status: int) -> None:
        """Note an attempt to deliver a callback."""
        self.callbacks.append(CallbackRecord(time.monotonic(), task_id, kind, attempt, status))

    def counts(self) -> dict[str, Any]:
        """Return the numbers of requests per status, of downloads per file, and of callbacks."""
        return {
            "requests": len(self.requests),
            "statuses": dict(Counter(str(record.status) for record in self.requests)),
            "downloads": dict(Counter(record.path for record in self.files)),
            "callbacks": len(self.callbacks),
        }

    def listed(self, name: str) -> list[dict[str, Any]]:
        """Return the list ``requests``, ``files`` or ``callbacks`` as JSON has it."""
        return [asdict(record) for record in getattr(self, name)]
