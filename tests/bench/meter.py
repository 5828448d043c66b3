"""What a command takes: time, processor and memory."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Taken:
    """Seconds by the clock and of the processor, and the most memory in MB."""

    seconds: float
    processor: float
    memory: int


def measure(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Taken:
    """Run a command to its end. Raises RuntimeError with its last words where it fails."""
    environment = os.environ | dict(environment or {})
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each start would compile all that it loads
    began = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}: {said[-2000:]}")
    return Taken(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


def python(*arguments: str | Path) -> list[str | Path]:
    """The command of this interpreter."""
    return [sys.executable, *arguments]
