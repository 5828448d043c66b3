import asyncio
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from .support import KEY, SUBMIT, body


async def started(*flags: str | Path) -> tuple[asyncio.subprocess.Process, str]:
    """Run ``batchgen emulator`` on any port that is free."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "batchgen", "emulator", "--port", "0", "--rate", "600", "--tiny", *map(str, flags)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("emulator: http://127.0.0.1:")
    return process, line.split()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_process_says_its_address_and_stops_cleanly_on_a_signal(number: int) -> None:
    process, url = await started("--fault", "submit-lost=1", "--seed", "3")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.post(url + SUBMIT, json=body(), headers={"Authorization": KEY})
        async with session.get(f"{url}/_emulator/stats") as response:
            assert (await response.json())["accepted"] == 1
    process.send_signal(number)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_a_killed_process_has_kept_its_tasks(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    process, url = await started("--state", state)
    async with aiohttp.ClientSession() as session:
        async with session.post(url + SUBMIT, json=body(), headers={"Authorization": KEY}) as response:
            task_id = (await response.json())["data"]["taskId"]
        process.kill()
        await process.communicate()
        process, url = await started("--state", state)
        async with session.get(f"{url}/_emulator/tasks") as response:
            assert [task["id"] for task in await response.json()] == [task_id]
    process.terminate()
    await process.communicate()
