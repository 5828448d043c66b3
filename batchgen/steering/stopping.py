"""What ends a run before its rows are done: a signal, or the user's deadline."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

from batchgen.dispatch.dispatcher import Dispatcher, Stop
from batchgen.dispatch.forecast import FETCH_SHARE
from batchgen.errors import LimitReachedError
from batchgen.ledger import Ledger
from batchgen.settings import Settings
from batchgen.steering.deadline import Deadline, LastCall
from batchgen.steps.intend import IntendStep

SAME_SECONDS = 0.5  # timeout(1) sends its signal to the process and once more to its group: that is one
AT_ONCE = "stopped at once; run the same command again: what is paid for is fetched"
LOOK_EVERY_SECONDS = 1.0  # the clock of the day may be set meanwhile


@contextmanager
def signals(
    dispatcher: Dispatcher, say: Callable[[str], None], leave: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """The first signal stops gently, the second at once: each answer that came is in the ledger already.

    ``leave`` is called before the latter: it gives the terminal back.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}  # nohup

    came_at = inf

    def caught(number: signal.Signals) -> None:
        nonlocal came_at
        if loop.time() - came_at > SAME_SECONDS:
            leave()
            say(AT_ONCE)
            os._exit(128 + number)
        if came_at < inf:
            return
        came_at = loop.time()
        dispatcher.halt(Stop(f"stopped by {number.name}", 128 + number))
        say(f"{number.name}: stopping; what is in flight goes on at the service, and the next run picks it up")

    for number in before:
        loop.add_signal_handler(number, caught, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextmanager
def until(deadline: Deadline | None, dispatcher: Dispatcher) -> Iterator[None]:
    """End the batch at its deadline; what is in flight then is left to the next run."""
    if deadline is None:
        yield
        return
    loop = asyncio.get_running_loop()
    timer: asyncio.Handle

    def look() -> None:
        nonlocal timer
        left = deadline.seconds_left()
        if left <= 0:
            dispatcher.halt(Stop(f"--deadline {deadline.text} is reached", LimitReachedError.exit_code))
        else:
            timer = loop.call_later(min(left, LOOK_EVERY_SECONDS), look)

    timer = loop.call_soon(look)
    try:
        yield
    finally:
        timer.cancel()


def last_call(settings: Settings) -> LastCall | None:
    """What says when it is too late for one more task; None without a deadline."""
    if settings.deadline is None:
        return None
    return LastCall(settings.deadline, lanes=settings.downloads, fetch=FETCH_SHARE * settings.first_poll)


def has_time(ledger: Ledger, intend: IntendStep, dispatcher: Dispatcher, say: Callable[[str], None]) -> bool:
    """Say at once that the deadline is too near for any task, if it is; what is paid for is fetched all the same."""
    job = ledger.next_pending()
    try:
        if job is not None:
            intend.check_deadline(job)
    except LimitReachedError as error:
        say(f"{error}: nothing is asked for now, and what is paid for is fetched")
        dispatcher.stop(Stop.of(error))
        return False
    return True
