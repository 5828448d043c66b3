"""A batch whose ledger is kept in S3 too: machines vanish with their disks, and nothing is paid for twice."""

import asyncio
import random
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from batchgen.emulator.server import Emulator
from tests.e2e.container import BUSY, ROWS, Container
from tests.e2e.program import PATIENT, QUICK, altered, batchgen, emulated, paid, prompts, run, standing_still
from tests.proof.fleet import Fleet, fleet
from tests.s3_server import S3Server
from tests.waiting import until


async def test_machines_that_vanish_with_their_disks_pay_for_no_row_twice(s3: S3Server, tmp_path: Path) -> None:
    async def lane(name: str, emulator: Emulator, berths: Fleet) -> tuple[int, int]:
        container = Container(tmp_path / name, s3, emulator, name)
        draw = random.Random(name)
        kills = 0

        async def submitting(last: int, jitter: float) -> None:
            await until(lambda: len(emulator.requests) >= last)
            await asyncio.sleep(jitter)

        async def claiming(before: list[str]) -> None:
            await until(lambda: bool(set(s3.keys("night", f"{name}/ledger/log/")) - set(before)))

        async with berths.berth() as berth:
            for number in range(4):  # together long before all rows are done, however quick the machine is
                instant = partial(submitting, len(emulator.requests) + draw.randrange(1, 15), draw.uniform(0, 0.2))
                if number == 2:
                    instant = partial(claiming, s3.keys("night", f"{name}/ledger/log/"))
                went = await container.take_over(berth, "--concurrency", "3", kill_at=instant)
                kills += went.was_killed
                container.vanish()
            went = await container.take_over(berth)
        assert went.code in (0, 1), went.said
        counts = container.check()
        assert went.code == (1 if counts.get("in_doubt") else 0), went.said
        assert counts.get("archived", 0) + counts.get("in_doubt", 0) == ROWS, went.said
        return kills, counts.get("in_doubt", 0)

    async with fleet(4) as berths, emulated(faults={"submit-slow": 0.3}) as a, emulated() as b, emulated() as c:
        lanes = await asyncio.gather(*(lane(f"lane{n}", each, berths) for n, each in enumerate((a, b, c))))
    assert sum(kills for kills, _ in lanes) >= 8
    assert sum(doubtful for _, doubtful in lanes) < 3 * ROWS


async def test_of_two_that_start_at_once_one_wins_and_nothing_is_paid_for_twice(s3: S3Server, tmp_path: Path) -> None:
    async with fleet(2) as berths, berths.berth() as one, berths.berth() as two:
        for number in range(5):
            async with standing_still() as (emulator, clock):
                here = Container(tmp_path / f"{number}a", s3, emulator, f"pair{number}", rows=6)
                there = Container(tmp_path / f"{number}b", s3, emulator, f"pair{number}", rows=6)
                runs = {asyncio.create_task(each.run(at, *PATIENT)): each for each, at in ((here, one), (there, two))}
                (loser,), (winner,) = await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
                assert loser.result().code == BUSY, loser.result().said
                assert "another run holds s3://night" in loser.result().said
                clock.go()
                assert (await winner).code == 0, winner.result().said
                assert runs[winner].check() == {"archived": 6}


async def test_a_run_that_slept_while_another_took_over_stops_and_pays_for_nothing(
    s3: S3Server, tmp_path: Path
) -> None:
    async with emulated() as emulator, fleet(2) as berths, berths.berth() as one, berths.berth() as two:
        sleeper = Container(tmp_path / "a", s3, emulator, "sleeper")
        other = Container(tmp_path / "b", s3, emulator, "sleeper")
        running = asyncio.create_task(sleeper.run(one, "--concurrency", "3"))
        await until(lambda: len(emulator.tasks) >= 4)
        one.signal(signal.SIGSTOP)
        taking_over = asyncio.create_task(other.take_over(two, "--concurrency", "3"))
        await until(lambda: len(emulator.tasks) >= 10)
        one.signal(signal.SIGCONT)
        slept, went = await asyncio.gather(running, taking_over)
        assert slept.code == BUSY, slept.said
        assert "another run holds s3://night/sleeper" in slept.said
        counts = other.check()
        assert counts.get("archived", 0) + counts.get("in_doubt", 0) == ROWS, went.said


async def test_a_disk_that_lasted_knows_more_than_the_store_and_is_used_at_once(s3: S3Server, tmp_path: Path) -> None:
    async with emulated() as emulator, fleet(1) as berths, berths.berth() as berth:
        container = Container(tmp_path / "a", s3, emulator, "lasting")

        async def some_are_paid() -> None:
            await until(lambda: len(emulator.tasks) >= 10)

        assert (await container.run(berth, kill_at=some_are_paid())).was_killed
        went = await container.run(berth)
        assert went.code in (0, 1), went.said
        counts = container.check()
        assert counts.get("archived", 0) + counts.get("in_doubt", 0) == ROWS, went.said
        assert not list(container.batch.glob("ledger.*-*.sqlite"))
        aside = tmp_path / "aside"
        container.batch.rename(aside)
        again = await container.run(berth)
        assert container.check() == counts, again.said
        shutil.rmtree(container.batch)
        aside.rename(container.batch)
        third = await container.run(berth)
        assert "was older than s3://night/lasting/ledger, which is used" in third.said
        assert container.check() == counts


async def test_without_the_store_nothing_is_submitted_and_all_goes_on_when_it_is_back(
    s3: S3Server, tmp_path: Path
) -> None:
    async with emulated() as emulator, fleet(1) as berths, berths.berth() as berth, wire_to(s3.url) as wire:
        container = Container(tmp_path / "a", s3, emulator, "outage")
        videos = ("--to", tmp_path / "a" / "videos", "--concurrency", "4")
        words = ("run", container.manifest, *videos, *QUICK)
        running = asyncio.create_task(container.command(berth, *words, url=wire.url))
        await until(lambda: len(emulator.tasks) >= 6)
        wire.cut()
        await asyncio.sleep(0.5)
        submitted = len(emulator.tasks)
        await until(lambda: len(emulator.files) >= submitted)
        await asyncio.sleep(1)
        assert len(emulator.tasks) == submitted < ROWS
        wire.mend()
        went = await running
        assert went.code == 0, went.said
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1
        assert len(emulator.tasks) == ROWS


async def test_a_machine_whose_last_run_did_not_come_to_the_store_goes_on_when_another_has_gone_on(
    s3: S3Server, tmp_path: Path
) -> None:
    prefix = ("--to", "s3://night/unheard/videos", "--ledger-to", "s3://night/unheard/ledger")
    async with emulated() as emulator:
        one, other = (prompts(_folder(tmp_path / name) / "p.csv", 2) for name in ("one", "other"))
        home = {"XDG_DATA_HOME": str(tmp_path / "home"), **s3.environment}
        assert (await run(emulator, one, *prefix, **home)).code == 0
        unheard = altered(tmp_path, {"batchgen.run": "def _copy_last(*_): return 'the store is down'"})
        assert (await run(emulator, one, *prefix, **home, **unheard)).summary["stopped"] == "the store is down"
        assert (await run(emulator, other, *prefix, **home)).code == 0
        again = await run(emulator, one, *prefix, **home)
        assert (again.code, len(emulator.tasks)) == (0, 2), again.err
        assert "was older than s3://night/unheard/ledger, which is used" in again.err


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


async def test_the_other_commands_begin_with_the_copy_too(s3: S3Server, tmp_path: Path) -> None:
    async with emulated(faults={"submit-lost": 0.3}, seed=2) as emulator, fleet(1) as berths:
        container = Container(tmp_path / "a", s3, emulator, "others", rows=10)
        async with berths.berth() as berth:
            assert (await container.run(berth)).code == 1
            doubtful = container.check()["in_doubt"]
            container.vanish()
            address = "s3://night/others/ledger"
            stands = await batchgen("status", container.batch, "--ledger-to", address, cwd=tmp_path, **s3.environment)
            assert f"batchgen resolve {container.batch} --ledger-to {address}\n" in stands.out
            shown = await container.command(berth, "resolve", container.batch)
            assert shown.code == 0
            assert shown.said.count("asked for at") == doubtful
            container.vanish()
            assert "given up" in (await container.command(berth, "resolve", container.batch, "--abandon", "--all")).said
            container.vanish()
            went = await container.command(berth, "resume", container.batch, *QUICK)
            assert f"{doubtful} failed" in went.said
            container.vanish()
            assert (await container.command(berth, "verify", container.batch)).code == 0
            assert (await container.command(berth, "rescue", container.batch, *QUICK)).code == 0
            assert len(emulator.tasks) <= 10


async def test_what_does_not_belong_together_is_refused_and_nothing_is_sent(s3: S3Server, tmp_path: Path) -> None:
    async with emulated() as emulator, fleet(1) as berths, berths.berth() as berth:
        one = Container(tmp_path / "a", s3, emulator, "apart", rows=2)
        assert (await one.run(berth)).code == 0
        other = Container(tmp_path / "b", s3, emulator, "apart", rows=3)
        plain = ("run", other.manifest, "--base-url", emulator.url, *QUICK)
        assert (await berth.run(*plain, cwd=tmp_path / "b")).code == 0
        submitted = len(emulator.tasks)
        refused = await other.run(berth)
        assert (refused.code, len(emulator.tasks)) == (2, submitted)
        assert "holds another ledger" in refused.said
        one.vanish()
        for key in s3.keys("night", "apart/ledger/ledger/"):
            s3.client.delete_object(Bucket="night", Key=key)
        refused = await one.run(berth)
        assert (refused.code, len(emulator.tasks)) == (2, submitted)
        assert "lacks objects" in refused.said


async def test_a_copy_that_cannot_be_kept_is_found_before_anything_is_sent(s3: S3Server, tmp_path: Path) -> None:
    async with emulated() as emulator, fleet(1) as berths, berths.berth() as berth:
        manifest = prompts(tmp_path / "p.csv", 2)
        for address, why in (("s3://nowhere/x", "no such bucket"), ("disk", "give s3://bucket/prefix")):
            words = ("run", manifest, "--base-url", emulator.url, "--ledger-to", address)
            went = await berth.run(*words, cwd=tmp_path, env=s3.environment)
            assert (went.code, len(emulator.requests)) == (2, 0)
            assert why in went.said
            assert "--ledger-to" in went.said
            assert not (tmp_path / "p.batch").exists()


# -- a wire that can be cut


class Wire:
    """Goes between, and can be cut."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = parts.hostname, parts.port
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self.url = ""

    def cut(self) -> None:
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._open.add(writer)
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        if self._is_cut:
            far_writer.transport.abort()
            return
        self._open.add(far_writer)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        self._open -= {writer, far_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def wire_to(target: str) -> AsyncIterator[Wire]:
    wire = Wire(target)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        wire.cut()
        server.close()
