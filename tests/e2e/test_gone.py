"""Whoever looked at a run may be gone, with the terminal: the run can still be stopped, and ends as it should."""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.program import PATIENT, environment, prompts, results, standing_still
from tests.waiting import LONGEST_SECONDS, until


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_run_that_nobody_hears_any_more_can_be_stopped(
    tmp_path: Path, is_terminal: bool, number: signal.Signals
) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 8)
    near, far = os.openpty() if is_terminal else os.pipe()
    async with standing_still() as (emulator, _):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batchgen", "run", str(manifest), "--base-url", emulator.url, *PATIENT),
            env=environment(TERM="xterm"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=far,
            stderr=far,
        )
        os.close(far)
        await until(lambda: len(emulator.tasks) == 8, process)
        os.close(near)
        closed = time.time()
        now = tmp_path / "prompts.batch" / ".now.json"
        await until(lambda: json.loads(now.read_text())["at"] > closed + 0.6, process)  # it speaks twice a second
        process.send_signal(number)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 128 + number
    assert {row["status"] for row in results(tmp_path / "prompts.batch")} == {"in_flight"}


@pytest.mark.parametrize(("arguments", "code"), [(("--version",), 0), (("schema",), 0), (("no-such-command",), 2)])
@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
async def test_a_closed_stream_changes_no_exit_code_and_is_no_mistake(
    tmp_path: Path, arguments: tuple[str, ...], code: int, closed: tuple[int, ...]
) -> None:
    closing = " ".join(f"{number}>&-" for number in closed)
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", f'exec "$@" {closing}', "sh", sys.executable, "-m", "batchgen", *arguments),
        cwd=tmp_path,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == code
    assert b"Traceback" not in err
    assert b"mistake in batchgen" not in out + err
