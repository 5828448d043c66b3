"""The program, loaded once, and forked for each run: to start Python takes longer than most runs do.

``python -m tests.e2e.loaded`` reads orders from its standard input, a socket: a message of JSON each, ``{"argv": [...],
"cwd": "...", "env": {...}}``, with four descriptors: the run's standard input, output and error, and a socket that is
told its pid, and then its exit code (negative: the signal that ended it). A run whose caller closes that socket is
killed. For :mod:`tests.proof` there are also ``"deadly"``, the point at which it dies, and ``"log"``, a file for the
points that it sees; either may be null.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from tests.proof.crashing import hasten, watched

LONGEST_ORDER = 200_000  # bytes
# What the commands load only when they need it; and what they load whenever they start.
ROOMS = (
    *("batchgen.cli", "batchgen.run", "batchgen.archive.disk", "batchgen.archive.s3", "batchgen.notices.notice"),
    *("batchgen.manifest.delimited", "batchgen.manifest.json_file", "batchgen.manifest.workbook"),
    *("batchgen.manifest.yaml_file", "batchgen.doubts.callbacks", "batchgen.doubts.resolve", "batchgen.replica.log"),
    *("batchgen.replica.replica", "batchgen.report.page", "batchgen.report.poster", "batchgen.report.workbook"),
    *("batchgen.planning.plan", "batchgen.steering.status", "batchgen.videos.verify", "batchgen.emulator.server"),
    *("av", "xlsxwriter"),
)


def load() -> None:
    """All of it, so that no run has to."""
    for room in ROOMS:
        importlib.import_module(room)
    gc.freeze()


def main() -> None:
    """Serve until whoever gives orders has gone."""
    load()
    _hurry()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks here how they ended
    orders = socket.socket(fileno=os.dup(0))
    while True:
        order, descriptors, _, _ = socket.recv_fds(orders, LONGEST_ORDER, 4)
        if not order:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            orders.close()
            _run(json.loads(order), descriptors[:3], socket.socket(fileno=descriptors[3]))
        for descriptor in descriptors:
            os.close(descriptor)


def _hurry() -> None:
    """``--emulator`` means ten times as fast as the service; here a hundred times."""
    for room in map(importlib.import_module, ("batchgen.arguments", "batchgen.origin")):
        assert vars(room)["EMULATOR_SPEED"]
        vars(room)["EMULATOR_SPEED"] = 100.0


def _run(order: dict[str, Any], streams: list[int], caller: socket.socket) -> NoReturn:
    """Fork the program, and tell how it ended."""
    child = os.fork()
    if child == 0:
        _become(order, streams)
    caller.send(str(child).encode())
    ending = os.pidfd_open(child)
    ready, _, _ = select.select([ending, caller.fileno()], [], [])
    if ending not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if ending in ready:
        caller.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(order: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be the program, as if it had been started so."""
    import batchgen.cli

    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 256)
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        time.tzset()
        sys.path[0] = order["cwd"]
        sys.argv = ["batchgen", *order["argv"]]
        if "deadly" in order:
            hasten()
            batchgen.cli.program = watched(batchgen.cli.program, order["deadly"], order["log"])
        batchgen.cli.main()
    except BaseException as error:
        os.write(2, f"Traceback: {error!r}\n".encode())
    finally:
        os._exit(70)


if __name__ == "__main__":
    main()
