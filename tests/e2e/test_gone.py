"""Whoever looked at a run may be gone, with the terminal: the run can still be stopped, and ends as it should."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.program import QUICK, emulated, environment, prompts, results


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_run_that_nobody_hears_any_more_can_be_stopped(
    tmp_path: Path, is_terminal: bool, number: signal.Signals
) -> None:
    manifest = prompts(tmp_path / "prompts.csv", 8)
    near, far = os.openpty() if is_terminal else os.pipe()
    async with emulated(speed=5.0) as emulator:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batchgen", "run", str(manifest), "--base-url", emulator.url, *QUICK),
            env=environment(TERM="xterm"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=far,
        )
        os.close(far)
        while len(emulator.tasks) < 8:
            await asyncio.sleep(0.02)
        os.close(near)
        await asyncio.sleep(1.0)  # it speaks twice a second
        process.send_signal(number)
        try:
            async with asyncio.timeout(40):
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
