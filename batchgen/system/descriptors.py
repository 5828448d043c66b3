"""Open files and connections: the system is asked for enough of them, and what it grants is shared out."""

import resource
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from batchgen.system.borrowed import Borrowed

WANTED = 4096
OWN = 64  # the ledger's, the locks', the libraries'
OF_A_DOWNLOAD = 3  # its connection, its file, and an upload's connection
LEAST_CONNECTIONS = 24


class Share(NamedTuple):
    """How many there may be at once."""

    connections: int  # to the service
    downloads: int


def share(downloads: int) -> Share:
    """What a run may have open that would like so many downloads at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = (WANTED if soft == resource.RLIM_INFINITY else soft) - OWN
    downloads = max(1, min(downloads, free // (2 * OF_A_DOWNLOAD)))
    return Share(max(LEAST_CONNECTIONS, free - OF_A_DOWNLOAD * downloads), downloads)


def _raise() -> Callable[[], None]:
    """Let this process have as many as are wanted, or as it may have at all (getrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return lambda: None
    _set(most, hard)
    return lambda: _set(soft, hard)


def _set(soft: int, hard: int) -> None:
    with suppress(OSError, ValueError):  # macOS may allow less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


raised = Borrowed(_raise)
