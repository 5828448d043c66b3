"""Runs of the real program in processes that can be killed, one after another, without Python's start each time.

``python -m tests.proof.crashing`` loads the program once and reads orders from standard input, a line of JSON each:
``{"argv": [...], "cwd": "...", "env": {...}, "said": "file", "deadly": [name, side, nth] or null, "log": "file"}``.
For each it forks; the child runs ``batchgen ARGV`` as the installed command does. It answers with the child's pid, and
with its exit code (negative: the signal that killed it) when it has ended. ``log`` asks for the points that were seen.
"""

import gc
import json
import os
import sys
from typing import Any, NoReturn

from tests.proof.points import Point, Points, watch

CALLBACK_SPEED = 100.0  # of the emulator, where its repeats of callbacks are to outlast a killed run's restart


def main() -> None:
    """Serve until standard input ends."""
    import batchgen.cli
    import batchgen.doubts.callbacks
    import batchgen.doubts.resolve
    import batchgen.replica.log
    import batchgen.replica.replica
    import batchgen.report.page
    import batchgen.run

    # A holder of the ledger's copy is taken for dead sooner here; the store's times are whole seconds.
    batchgen.replica.log.HEARTBEAT_SECONDS = 0.5
    batchgen.replica.log.TAKEOVER_SECONDS = 3.0

    # Callbacks are repeated, and then believed not to come, sooner too, as the emulator is faster.
    batchgen.doubts.callbacks.SILENCE_SECONDS = (300 + batchgen.doubts.callbacks.REPEATS_SECONDS) / CALLBACK_SPEED
    batchgen.doubts.callbacks.RECORD_SECONDS /= CALLBACK_SPEED

    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
        _tell({"pid": child})
        _, status = os.waitpid(child, 0)
        _tell({"exit": os.waitstatus_to_exitcode(status)})


def _tell(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _become(order: dict[str, Any]) -> NoReturn:
    """The child: be the program, and nothing of this one."""
    import batchgen.cli

    code = 70
    try:
        _enter(order)
        points = None
        if order["deadly"] or order["log"]:
            points = Points(Point(*order["deadly"]) if order["deadly"] else None)
            watch(points)
        code = batchgen.cli.program()
        if points and order["log"]:
            with open(order["log"], "w") as file:
                json.dump(points.log, file)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        os.write(2, f"Traceback: {error!r}\n".encode())
    finally:
        os._exit(code)


def _enter(order: dict[str, Any]) -> None:
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(old, new)
    os.closerange(3, 256)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["batchgen", *order["argv"]]


if __name__ == "__main__":
    main()
