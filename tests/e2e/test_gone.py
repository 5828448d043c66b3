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
