"""Runs of the program in processes that are forked from one that has loaded it: :mod:`tests.e2e.loaded`."""

import asyncio
import atexit
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]


class Running:
    """A run, as whoever waits for it knows it."""

    def __init__(self, told: socket.socket, pid: int) -> None:
        self.pid = pid
        self._told = told

    async def ended(self) -> int:
        """Its exit code, when it has ended (negative: the signal that ended it)."""
        return await _number(self._told)


@asynccontextmanager
async def running(
    argv: Sequence[str | Path], cwd: Path, env: dict[str, str], out: IO[bytes], err: IO[bytes], **more: Any
) -> AsyncIterator[Running]:
    """``batchgen ARGV``, which is killed if it has not ended with the context."""
    order = {"argv": [str(word) for word in argv], "cwd": str(cwd), "env": env, **more}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        ours.setblocking(False)
        with theirs, open(os.devnull, "rb") as nothing:
            descriptors = [file.fileno() for file in (nothing, out, err, theirs)]
            socket.send_fds(_loaded(), [json.dumps(order).encode()], descriptors)
        yield Running(ours, await _number(ours))


async def _number(told: socket.socket) -> int:
    return int(await asyncio.get_running_loop().sock_recv(told, 100))


@cache
def _loaded() -> socket.socket:
    """Where to send orders to the one that has loaded the program, which ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.loaded"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    atexit.register(_let_go, ours, process)
    return ours


def _let_go(orders: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    orders.close()
    process.wait()
