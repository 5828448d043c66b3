"""A folder in which the program keeps its ledger and its videos in S3 too, and which may vanish."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from batchgen.emulator.server import Emulator
from tests.e2e.program import QUICK, paid, prompts, results
from tests.proof.fleet import Berth, Went
from tests.s3_server import S3Server

ROWS = 30
BUSY = 75
MOST_TRIES = 60


class Container:
    """A folder that a run is started in, with the batch's ledger and videos in S3."""

    def __init__(self, folder: Path, s3: S3Server, emulator: Emulator, prefix: str, rows: int = ROWS) -> None:
        folder.mkdir(parents=True)
        self.manifest = prompts(folder / "p.csv", rows)
        self.batch = folder / "p.batch"
        self._s3 = s3
        self._emulator = emulator
        self._prefix = prefix

    async def run(self, berth: Berth, *more: str | Path, **options: Any) -> Went:
        return await self.command(
            berth, "run", self.manifest, "--to", f"s3://night/{self._prefix}/videos", *QUICK, *more, **options
        )

    async def take_over(
        self, berth: Berth, *more: str | Path, kill_at: Callable[[], Coroutine[Any, Any, None]] | None = None
    ) -> Went:
        """Run it, as soon as the run that was killed here is taken for dead."""
        for _ in range(MOST_TRIES):
            went = await self.run(berth, *more, kill_at=kill_at() if kill_at else None)
            if went.code != BUSY:
                break
            await asyncio.sleep(1)
        return went

    async def command(self, berth: Berth, *words: str | Path, url: str | None = None, **options: Any) -> Went:
        s3 = self._s3.environment | ({"AWS_ENDPOINT_URL": url} if url else {})
        arguments = (*words, "--base-url", self._emulator.url, "--ledger-to", f"s3://night/{self._prefix}/ledger")
        went = await berth.run(*arguments, cwd=self.manifest.parent, env=s3, **options)
        assert "Traceback" not in went.said, went.said
        return went

    def vanish(self) -> None:
        shutil.rmtree(self.batch, ignore_errors=True)

    def check(self) -> dict[str, int]:
        """What was paid is archived or in doubt, once. Returns the rows by status."""
        tasks = paid(self._emulator)
        assert {prompt: len(found) for prompt, found in tasks.items() if len(found) > 1} == {}
        counts: dict[str, int] = {}
        for row in results(self.batch):
            counts[row["status"]] = counts.get(row["status"], 0) + 1
            if row["status"] == "archived":
                assert row["task_id"] == tasks[row["prompt"]][0].id
                key = urlsplit(row["video"]).path.lstrip("/")
                body = self._s3.client.get_object(Bucket="night", Key=key)["Body"].read()
                assert sha256(body).hexdigest() == row["sha256"]
        return counts
