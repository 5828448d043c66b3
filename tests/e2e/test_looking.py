"""Who only looks at a ledger that is kept in S3 sees how it stands there, and touches nothing."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from batchgen import Batch, UsageError
from batchgen.folder.checks import require
from tests.e2e.container import Container
from tests.e2e.program import PATIENT, Clock, batchgen, emulated, paid, prompts, start
from tests.proof.fleet import fleet
from tests.s3_server import S3Server
from tests.waiting import until

ROWS = 12


async def test_a_batch_is_looked_at_from_elsewhere_while_a_run_holds_it_and_when_it_has_ended(
    aws: S3Server, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clock = Clock()
    async with emulated(clock=clock) as emulator, fleet(2) as berths, berths.berth() as one, berths.berth() as two:

        async def look(*words: str | Path) -> str:
            address = ("--ledger-to", "s3://night/seen/ledger")
            looked = await two.run(*words, *address, cwd=elsewhere, env=aws.environment)
            assert looked.code == 0, looked.said
            return looked.said

        container = Container(tmp_path / "a", aws, emulator, "seen", ROWS)
        running = asyncio.create_task(container.run(one, "--concurrency", "3", *PATIENT))
        await until(lambda: len(emulator.tasks) >= 4)
        clock.stop()
        await two.run("ctl", container.batch, "--pause", cwd=elsewhere)  # for as long as the looks take
        words = ("status", "p.batch", "--json", "--ledger-to", "s3://night/seen/ledger")
        looked = await batchgen(*words, cwd=elsewhere, **aws.environment)  # by which no run is dead after 3 seconds
        status = looked.summary
        assert (status["rows"], status["service"]) == (ROWS, emulator.url)
        assert 1 <= status["paid_tasks"] <= len(emulator.tasks) < ROWS
        whose = r"a run holds s3://night/seen/ledger \(process \d+ on .+, last heard of \d+ s ago\)"
        assert re.search(whose, looked.err)
        assert f"{ROWS} rows, 0 of them new" in await look("plan", container.manifest)
        await look("report", "p.batch")
        page = (elsewhere / "p.batch" / "report.html").read_text("utf-8")
        assert all(f"prompt {number}" in page for number in range(ROWS))
        await two.run("ctl", container.batch, "--go", cwd=elsewhere)
        clock.go()
        went = await running
        assert went.code == 0, went.said
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1

        before = aws.keys("night", "seen/ledger/")
        assert re.search(rf"no run holds s3://night/seen/ledger[^$]*\b{ROWS} archived", await look("status", "p.batch"))
        assert "a run would pay for no task\n" in await look("plan", container.manifest)
        await look("report", "p.batch")
        batch = Batch(batch=elsewhere / "p.batch", ledger_to="s3://night/seen/ledger")
        assert (batch.status().archived, len(batch.results()), len(list(batch.rows()))) == (ROWS, ROWS, ROWS)
        assert batch.report() == elsewhere / "p.batch" / "report.html"
        assert aws.keys("night", "seen/ledger/") == before
        assert [path.name for path in (elsewhere / "p.batch").iterdir()] == ["report.html"]


async def test_the_page_of_a_batch_elsewhere_is_served_live_with_its_videos(s3: S3Server, tmp_path: Path) -> None:
    async with emulated() as emulator, fleet(1) as berths, berths.berth() as berth, aiohttp.ClientSession() as web:
        container = Container(tmp_path / "a", s3, emulator, "served", rows=2)
        assert (await container.run(berth)).code == 0
        words = ("report", "far.batch", "--serve", "--ledger-to", "s3://night/served/ledger")
        server = await start(*words, cwd=tmp_path, **s3.environment)
        try:
            assert server.stdout
            url = (await server.stdout.readline()).decode().strip()

            async def news() -> list[str]:
                async with web.get(f"{url}data.json") as answer:
                    data = await answer.json()
                return [row[data["fields"].index("status")] for row in data["rows"]]

            assert await news() == ["archived"] * 2
            async with web.get(url) as answer:
                sha256 = re.search(r"video/([0-9a-f]{64})\.mp4", await answer.text())
            assert sha256
            async with web.get(f"{url}video/{sha256[1]}.mp4") as video:
                assert (await video.read())[4:8] == b"ftyp"
            prompts(container.manifest, 3)
            assert (await container.run(berth)).code == 0
            async with asyncio.timeout(60):
                while await news() != ["archived"] * 3:
                    await asyncio.sleep(0.2)
        finally:
            server.terminate()
            await server.wait()


async def test_where_there_is_nothing_is_said_and_nothing_is_begun(aws: S3Server, tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with fleet(1) as berths, berths.berth() as berth:
        for address, why in (("s3://night/nothing", "holds no ledger yet"), ("s3://nowhere/x", "no such bucket")):
            for command in ("status", "report", "resolve", "verify", "rescue", "resume"):
                went = await berth.run(command, "p.batch", "--ledger-to", address, cwd=tmp_path, env=aws.environment)
                assert went.code == 2, went.said
                assert why in went.said
                assert "--ledger-to" in went.said
        words = ("plan", manifest, "--ledger-to", "s3://night/nothing")
        went = await berth.run(*words, cwd=tmp_path, env=aws.environment)
        assert went.code == 0
        assert re.search(r"holds no ledger yet[^$]*pay for 2 tasks", went.said)
        with pytest.raises(UsageError, match="holds no ledger yet"):
            await asyncio.to_thread(Batch(batch=tmp_path / "p.batch", key="k", ledger_to="s3://night/nothing").rescue)
        assert aws.keys("night", "nothing") == []
        assert not (tmp_path / "p.batch").exists()


def test_whether_there_is_a_batch_is_asked_without_reading_its_copy(aws: S3Server, tmp_path: Path) -> None:
    aws.client.put_object(Bucket="night", Key="film/ledger/00000001-00000001.sqlite.gz", Body=b"never read")
    require(tmp_path / "p.batch", "s3://night/film")
    with pytest.raises(UsageError, match="s3://night/other holds no ledger yet: correct --ledger-to"):
        require(tmp_path / "p.batch", "s3://night/other")
