"""An account that allows less than the document, and tells nobody but by 429."""

from pathlib import Path

from batchgen.emulator.account import AccountLimits
from batchgen.emulator.server import Emulator
from tests.e2e.program import emulated, prompts, run


def first_posts(emulator: Emulator) -> list[int]:
    return [request.status for request in emulator.requests if request.method == "POST"][:3]


async def test_what_one_batch_learned_of_an_account_another_begins_with(tmp_path: Path) -> None:
    async with emulated(limits=AccountLimits(concurrency=2)) as emulator:
        for name, statuses in (("a.csv", [200, 200, 429]), ("b.csv", [200, 200, 200])):
            emulator.requests.clear()
            ended = await run(emulator, prompts(tmp_path / name, 12), HOME=str(tmp_path))
            assert (ended.code, ended.summary["archived"]) == (0, 12)
            assert first_posts(emulator) == statuses, name
