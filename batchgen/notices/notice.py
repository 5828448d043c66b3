"""Telling others how a run goes: a ping to a dead man's switch (as healthchecks.io takes it), and a POST of its end.

Nothing here may harm the run: each request has a short time and one more try, all of them together have ten seconds
after the run's end, and what fails is told and forgotten. The addresses may hold secrets: only their hosts are named.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from http.client import HTTPException, HTTPResponse
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from batchgen import __version__

TRIES = 2
TRY_SECONDS = 4.0
PAUSE_SECONDS = 1.0
LAST_SECONDS = 10.0  # after the run's end
BEGUN_SECONDS = 5.0  # of these, for which the end waits for a start that is under way
BODY_LIMIT_BYTES = 10_000
ANSWER_BYTES = 100
CLEAN = (0, 4)  # exit codes of a night that went as it was told to: a limit of one's own is no failure
# What healthchecks.io says with a 200, and has not noted.
_IGNORED = {
    b"OK (not found)": "it knows no check of this address",
    b"OK (rate limited)": "it has been sent too many in this minute",
}

log = logging.getLogger("batchgen")
log.addHandler(logging.NullHandler())  # before the run's log is open, the sentence on the terminal must do


@dataclass(frozen=True)
class Ending:
    """How a run ended: its exit code (None: by a mistake of ours), for a person, and in facts for a program."""

    exit: int | None
    text: str
    facts: dict[str, Any]


class Notices:
    """The notices of one run. ``warn`` is told, in a sentence, what could not be sent."""

    def __init__(self, ping: str | None, notify: str | None, warn: Callable[[str], None]) -> None:
        self._ping = ping
        self._notify = notify
        self._warn = warn
        self._run = str(uuid.uuid4())
        self._begun: Thread | None = None
        self._ended = False

    def begin(self) -> None:
        """The run begins."""
        if self._ping:
            self._begun = self._send("--ping", _ping_address(self._ping, "start", self._run), b"", "text/plain")

    def end(self, ending: Ending) -> None:
        """The run has ended; only the first such word counts."""
        if self._ended:
            return
        self._ended = True
        last = time.monotonic() + LAST_SECONDS
        threads = []
        if self._ping:
            body = ending.text.encode("utf-8", "replace")[:BODY_LIMIT_BYTES]
            address = _ping_address(self._ping, _signal(ending.exit), self._run)
            threads.append(self._send("--ping", address, body, "text/plain; charset=utf-8", after=self._begun))
        if self._notify:
            text = escape(ending.text, quote=False)  # else Slack reads a link or a mention in it
            facts = {**ending.facts, "exit": 1 if ending.exit is None else ending.exit, "text": text}
            threads.append(self._send("--notify", self._notify, json.dumps(facts).encode(), "application/json"))
        for thread in threads:
            thread.join(max(0.0, last - time.monotonic()))
            if thread.is_alive():
                self._failed(thread.name, f"not finished after {LAST_SECONDS:.0f} seconds")

    def _send(self, flag: str, address: str, body: bytes, kind: str, after: Thread | None = None) -> Thread:
        """Send in the background: a name server that does not answer knows no time limit."""
        name = f"{flag} to {urlsplit(address).hostname}"

        def send() -> None:
            if after:
                after.join(BEGUN_SECONDS)
            trouble = _post(address, body, kind)
            if trouble:
                self._failed(name, trouble)

        thread = Thread(target=send, name=name, daemon=True)
        thread.start()
        return thread

    def _failed(self, name: str, trouble: str) -> None:
        log.warning("notice not sent", extra={"notice": name, "reason": trouble})
        self._warn(f"the notice of {name} could not be sent: {trouble}")


def _signal(code: int | None) -> str:
    """What healthchecks.io wants appended: nothing for success, an exit code, or that it failed without one."""
    if code is None:
        return "fail"
    return "" if code in CLEAN else str(code)


def _ping_address(url: str, word: str, run: str) -> str:
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + (f"/{word}" if word else "")
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("rid", run)])
    return urlunsplit(parts._replace(path=path, query=query))


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, and may lead to anybody."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _post(url: str, body: bytes, kind: str) -> str | None:
    """Send it; returns what is wrong, in a few words without the address."""
    headers = {"User-Agent": f"batchgen/{__version__}", "Content-Type": kind}
    trouble: str | None = None
    for n in range(TRIES):
        if n:
            time.sleep(PAUSE_SECONDS)
        try:
            request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310 (checked: https, or here)
            with build_opener(_NoRedirects()).open(request, timeout=TRY_SECONDS) as answer:
                return _ignored(answer)
        except HTTPError as error:
            trouble = f"it answered {error.code}"
            error.close()
            if error.code < 500 and error.code != 429:
                return trouble
        except (URLError, OSError, HTTPException, ValueError) as error:
            trouble = _words(error)
    return trouble


def _ignored(answer: HTTPResponse) -> str | None:
    """What a 200 says against itself; it counts, whatever becomes of its body."""
    with suppress(OSError, HTTPException):
        return _IGNORED.get(answer.read1(ANSWER_BYTES))
    return None


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, Exception) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {TRY_SECONDS:.0f} seconds"
    if isinstance(cause, HTTPException):
        return "it gave no answer that can be read"
    return getattr(cause, "strerror", None) or type(cause).__name__
