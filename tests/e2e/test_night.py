"""Nights without a watcher: cron's bare environment, deadlines, and whom a run tells how it went."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from batchgen import __version__
from batchgen.emulator.account import AccountLimits
from batchgen.emulator.server import Emulator
from batchgen.errors import UsageError
from batchgen.settings import read_notice_url
from tests.e2e.program import (
    KEY,
    PATIENT,
    QUICK,
    SPEED,
    Ended,
    altered,
    batchgen,
    emulated,
    finished,
    kill_at,
    paid,
    prompts,
    run,
    sheet,
    standing_still,
    start,
)
from tests.waiting import until

BARE = {"PATH": "/usr/bin:/bin", "APIXO_API_KEY": KEY}
SECRET = "SECRET-b1c2"


async def at_night(emulator_url: str, manifest: Path, *arguments: str | Path, cwd: Path, **env: str) -> Ended:
    """Run as cron does: no HOME, no LANG, no terminal, another directory."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "batchgen", "run", manifest, "--base-url", emulator_url, "--quiet", *QUICK),
        *map(str, arguments),
        cwd=cwd,
        env={**BARE, **env},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return await finished(process)


def is_one_paragraph(ended: Ended) -> bool:
    return ended.out == "" and ended.err.count("\n") == 1 and ended.err.startswith("batchgen: ")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path


# -- cron's mail


async def test_a_night_that_goes_well_is_silent_in_crons_bare_environment(root: Path) -> None:
    rows = [{"prompt": "🦊 crosses a frozen lake", "sceen": "1"}, {"prompt": "naïve 湖", "sceen": "2"}]
    async with emulated() as emulator:
        ended = await at_night(emulator.url, sheet(root / "füchse.csv", rows), cwd=root / "elsewhere")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (root / "füchse.batch" / "report.html").exists()


@pytest.mark.parametrize(
    ("prompt", "settings", "flags", "code", "words"),
    [
        ("[violation] x", {}, (), 1, ("1 failed (CONTENT_VIOLATION 1)", "failures.csv", "--retry-failed")),
        ("x", {"faults": {"submit-lost": 1.0}}, (), 1, ("2 in doubt", "perhaps paid for", "batchgen resolve")),
        ("x", {"limits": AccountLimits(credits=0.0)}, (), 3, ("Stopped:", "redits", "2 pending", "paid for twice")),
        ("x", {}, ("--budget", "0.1"), 4, ("0.1 is less than that: raise it", "asks for them")),
    ],
)
async def test_trouble_is_one_paragraph_with_what_to_do(
    root: Path, prompt: str, settings: dict[str, object], flags: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    manifest = sheet(root / "p.csv", [{"prompt": prompt}, {"prompt": "y"}])
    async with emulated(**settings) as emulator:
        ended = await at_night(emulator.url, manifest, *flags, cwd=root / "elsewhere")
    assert ended.code == code
    assert is_one_paragraph(ended), ended.err
    for each in (*words, "2 rows", f"{root}/p.batch/results.csv", f"{root}/p.batch/run.log"):
        assert each in ended.err, ended.err
    assert KEY not in ended.err


async def test_a_night_that_a_limit_ends_is_silent_if_it_got_on(root: Path) -> None:
    async with emulated() as emulator:
        manifest, limit = prompts(root / "p.csv", 3), ("--max-tasks", "2")
        nights = [await at_night(emulator.url, manifest, *limit, cwd=root) for _ in range(2)]
        assert [(ended.code, ended.err) for ended in nights] == [(4, ""), (0, "")]


async def test_rows_that_a_night_was_not_to_make_are_not_left_to_the_next_one(root: Path) -> None:
    manifest = sheet(root / "p.csv", [{"prompt": "[violation] x"}, {"prompt": "y"}])
    async with emulated() as emulator:
        ended = await at_night(emulator.url, manifest, "--limit", "1", cwd=root)
    assert (ended.code, "1 failed, 1 pending" in ended.err, "asks for" in ended.err) == (1, True, False)


async def test_failed_rows_are_told_once_and_each_night_how_many_of_them_are_its_own(root: Path) -> None:
    rows = [{"prompt": "[violation] x"}]
    async with emulated() as emulator:
        first = await at_night(emulator.url, sheet(root / "p.csv", rows), cwd=root)
        second = await at_night(emulator.url, root / "p.csv", cwd=root)
        rows.append({"prompt": "[violation] y"})
        third = await at_night(emulator.url, sheet(root / "p.csv", rows), cwd=root)
    assert "1 failed (CONTENT_VIOLATION 1): " in first.err
    assert (second.code, second.err) == (1, "")
    assert "2 failed (CONTENT_VIOLATION 2; 1 of them in this run): " in third.err


async def test_rows_that_failed_in_a_run_that_was_killed_are_told_by_the_next_night(root: Path) -> None:
    manifest = sheet(root / "p.csv", [{"prompt": "[violation] x"}, {"prompt": "y"}, {"prompt": "z"}])
    async with emulated(speed=SPEED / 4) as emulator:
        process = await start("run", manifest, "--base-url", emulator.url, "--concurrency", "1", *QUICK, cwd=root)
        assert await kill_at(process, emulator.tasks, 2, 1.0)
        next_one = await at_night(emulator.url, manifest, cwd=root)
        last = await at_night(emulator.url, manifest, cwd=root)
    assert "2 archived, 1 failed" in next_one.err
    assert (last.code, last.err) == (1, "")


async def test_a_run_that_is_in_the_way_is_named(root: Path) -> None:
    manifest = prompts(root / "p.csv", 5)
    async with standing_still() as (emulator, _):
        process = await start("run", manifest, "--base-url", emulator.url, *PATIENT, cwd=root)
        await until(lambda: bool(emulator.tasks), process)
        ended = await at_night(emulator.url, manifest, cwd=root)
        process.kill()
        await process.communicate()
    assert ended.code == 75
    assert is_one_paragraph(ended)
    assert f"process {process.pid}" in ended.err


async def test_a_manifest_that_is_gone_is_told_even_when_all_goes_well(root: Path) -> None:
    manifest = prompts(root / "p.csv", 2)
    async with emulated() as emulator:
        await run(emulator, manifest)
        manifest.unlink()
        ended = await at_night(emulator.url, manifest, cwd=root)
    assert (ended.code, ended.out) == (0, "")
    assert "is gone" in ended.err


async def test_a_video_that_is_lost_is_told_once_even_when_all_goes_well(root: Path) -> None:
    async with emulated() as emulator:
        manifest = prompts(root / "p.csv", 3)
        nights = []
        for lost in (None, 0, None, 2):
            if lost is not None:
                (root / "p.batch" / "videos" / f"r{lost}.mp4").unlink()
            nights.append(await at_night(emulator.url, manifest, cwd=root / "elsewhere"))
        assert [ended.code for ended in nights] == [0] * 4
        told = ("", "1 archived video is no longer there (videos/r0.mp4);", "", "2 archived videos are no longer there")
        for ended, words in zip(nights, told, strict=True):
            assert ended.err.startswith(words), ended.err
            assert bool(ended.err) is bool(words), ended.err


async def test_a_manifest_that_never_was_the_batchs_is_a_mistake_and_pays_for_nothing(root: Path) -> None:
    manifest = prompts(root / "p.csv", 2)
    async with emulated() as emulator:
        await run(emulator, manifest, "--limit", "1")
        slip = await run(emulator, root / "pp.csv", "--batch", root / "p.batch")
        assert (slip.code, "there is no such file" in slip.err) == (2, True)
        assert len(emulator.tasks) == 1


async def test_two_starts_of_cron_a_moment_apart_pay_once(root: Path) -> None:
    manifest = prompts(root / "p.csv", 6)
    async with emulated() as emulator:
        ended = await asyncio.gather(*(at_night(emulator.url, manifest, cwd=root) for _ in range(2)))
        codes = sorted(each.code for each in ended)
        assert codes[0] == 0
        assert codes[1] in (0, 75)  # 0: it began when the other had ended
        assert len(emulator.tasks) == 6


async def test_a_run_under_nohup_outlives_its_terminal(root: Path) -> None:
    manifest = prompts(root / "p.csv", 3)
    async with standing_still() as (emulator, clock):
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-m", "batchgen"),
            *("run", manifest, "--base-url", emulator.url, "--quiet", *PATIENT),
            env=BARE,
        )
        await until(lambda: bool(emulator.tasks), process)
        process.send_signal(signal.SIGHUP)
        clock.go()
        assert await process.wait() == 0


# -- a deadline


async def test_what_a_deadline_leaves_is_made_by_the_next_night(root: Path) -> None:
    manifest = prompts(root / "p.csv", 30)
    async with emulated(speed=SPEED / 4) as emulator:
        ended = await run(emulator, manifest, "--concurrency", "2", "--deadline", "6s")
        assert ended.code == 4
        assert "--deadline 6s" in ended.summary["stopped"]
        assert ended.summary["pending"] > 0
        assert ended.summary["submitted"] == len(emulator.tasks)
        ended = await run(emulator, manifest)
        assert (ended.code, ended.summary["archived"]) == (0, 30)
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1


async def test_a_deadline_that_is_too_near_is_told_at_once_and_what_is_paid_for_is_fetched(root: Path) -> None:
    manifest = prompts(root / "p.csv", 6)
    async with standing_still() as (emulator, clock):
        process = await start(*("run", manifest, "--base-url", emulator.url, "--concurrency", "3", *PATIENT), cwd=root)
        await until(lambda: len(emulator.tasks) == 3, process)
        process.terminate()
        await process.communicate()
        clock.go()
        flags = ("--first-poll", "60", "--poll-every", "0.1", "--deadline", "60s")  # nothing is known of so slow a kind
        ended = await batchgen("run", manifest, "--base-url", emulator.url, "--json", *flags, cwd=root)
        assert ended.code == 4
        assert "nothing is asked for now" in ended.err
        assert (len(emulator.tasks), ended.summary["archived"], ended.summary["pending"]) == (3, 3, 3)


async def left_in_flight(emulator: Emulator, manifest: Path) -> None:
    """Run until its two rows are asked for, and no longer."""
    process = await start("run", manifest, "--base-url", emulator.url, *PATIENT, cwd=manifest.parent)
    await until(lambda: len(emulator.tasks) == 2, process)
    process.terminate()
    await process.communicate()


async def test_at_the_deadline_what_still_runs_is_left_to_the_next_run(root: Path) -> None:
    manifest = prompts(root / "p.csv", 2)
    async with standing_still() as (emulator, _):
        await left_in_flight(emulator, manifest)
        ended = await run(emulator, manifest, "--deadline", "1s")
        assert ended.code == 4
        assert "is reached" in ended.summary["stopped"]
        assert ended.summary["in_flight"] == len(emulator.tasks) == 2


async def test_a_deadline_that_is_none_is_refused_before_anything_is_sent(root: Path) -> None:
    async with emulated() as emulator:
        ended = await run(emulator, prompts(root / "p.csv", 1), "--deadline", "soon")
        assert (ended.code, len(emulator.requests)) == (2, 0)
        assert "--deadline soon: write it like 06:00" in ended.err
        assert not (root / "p.batch").exists()


async def test_a_rescue_has_a_deadline_and_tells_as_a_run_does(root: Path) -> None:
    manifest = prompts(root / "p.csv", 2)
    async with standing_still() as (emulator, _), watching() as watcher:
        await left_in_flight(emulator, manifest)
        flags = ("--ping", watcher.url, "--notify", watcher.url, "--metrics", root / "p.prom", "--deadline", "1s")
        rescued = ("rescue", "p.batch", "--base-url", emulator.url, "--json", *QUICK, *flags)
        ended = await batchgen(*rescued, cwd=root)
        assert (ended.code, ended.summary["stopped"]) == (4, "--deadline 1s is reached")
        assert (ended.summary["in_flight"], len(emulator.tasks)) == (2, 2)
        assert sorted(watcher.paths) == ["", "", "/start"]
        assert "batchgen_" in (root / "p.prom").read_text()
        away = await batchgen("rescue", "nowhere.batch", "--ping", watcher.url, cwd=root)
        assert (away.code, watcher.paths[3:]) == (2, ["/start", "/2"])


# -- whom a run tells


@dataclass
class Watcher:
    """A dead man's switch, or a chat, and what it was sent."""

    url: str = ""
    answer: int = 200
    says: str = "OK"
    sent: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        self.sent.append((request.path, parse_qs(request.query_string), await request.text()))
        if self.answer == 302:
            return web.Response(status=302, headers={"Location": "/elsewhere"})
        return web.Response(status=self.answer, text=self.says)

    @property
    def paths(self) -> list[str]:
        return [path.removeprefix(f"/{SECRET}") for path, _, _ in self.sent]


@asynccontextmanager
async def watching(answer: int = 200) -> AsyncIterator[Watcher]:
    watcher = Watcher(answer=answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", watcher.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    watcher.url = f"http://127.0.0.1:{runner.addresses[0][1]}/{SECRET}"
    try:
        yield watcher
    finally:
        await runner.cleanup()


async def test_a_ping_tells_of_start_and_success_with_the_runs_own_id(root: Path) -> None:
    async with emulated() as emulator, watching() as watcher:
        for _ in range(2):
            ended = await at_night(emulator.url, prompts(root / "p.csv", 2), cwd=root, BATCHGEN_PING_URL=watcher.url)
            assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert watcher.paths == ["/start", "", "/start", ""]
    runs = [query["rid"][0] for _, query, _ in watcher.sent]
    assert runs[0] == runs[1] != runs[2] == runs[3]
    assert "2 rows, 2 archived" in watcher.sent[1][2]


@pytest.mark.parametrize(
    ("flags", "settings", "path"),
    [
        ((), {"limits": AccountLimits(credits=0.0)}, "/3"),
        (("--max-tasks", "0"), {}, ""),  # a limit of one's own is no failure
        (("--deadline", "soon"), {}, "/2"),
    ],
)
async def test_a_ping_tells_how_a_night_failed(
    root: Path, flags: tuple[str, ...], settings: dict[str, object], path: str
) -> None:
    async with emulated(**settings) as emulator, watching() as watcher:
        ended = await run(emulator, prompts(root / "p.csv", 2), "--ping", watcher.url, *flags)
    assert watcher.paths == ["/start", path]
    assert str(ended.code) == path[1:] or ended.code == 4
    assert "p.batch" in watcher.sent[1][2]


async def test_a_run_in_the_way_a_missing_key_and_a_signal_are_told_too(root: Path) -> None:
    manifest = prompts(root / "p.csv", 4)
    async with standing_still() as (emulator, _), watching() as watcher:
        process = await start(
            *("run", manifest, "--base-url", emulator.url, "--ping", f"{watcher.url}/first", *PATIENT), cwd=root
        )
        await until(lambda: bool(emulator.tasks and watcher.sent), process)
        await batchgen("run", manifest, "--base-url", emulator.url, "--ping", f"{watcher.url}/second", cwd=root)
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        await batchgen("run", manifest, "--ping", f"{watcher.url}/third", cwd=root, APIXO_API_KEY="")
    assert watcher.paths == [
        *("/first/start", "/second/start", "/second/75", "/first/143", "/third/start", "/third/3"),
    ]
    assert "another run holds" in watcher.sent[2][2]


async def test_the_summary_is_posted_in_json_that_slack_takes(root: Path) -> None:
    manifest = sheet(root / "p&q.csv", [{"prompt": "x"}, {"prompt": "[violation] y"}])
    async with emulated() as emulator, watching() as watcher:
        ended = await run(emulator, manifest, "--notify", watcher.url)
    ((path, _, body),) = watcher.sent
    posted = json.loads(body)
    assert path == f"/{SECRET}"
    assert {**ended.summary, "text": posted["text"]} == posted
    assert "p&amp;q.batch: 2 rows, 1 archived, 1 failed" in posted["text"]


@pytest.mark.parametrize("answer", [500, 302])
async def test_a_notice_that_is_refused_is_one_line_and_changes_nothing_and_shows_no_secret(
    root: Path, answer: int
) -> None:
    async with emulated() as emulator, watching(answer) as watcher:
        env = {"BATCHGEN_PING_URL": watcher.url, "BATCHGEN_NOTIFY_URL": f"{watcher.url}?{SECRET}={SECRET}"}
        ended = await at_night(emulator.url, prompts(root / "p.csv", 1), "--verbose", cwd=root, **env)
    assert (ended.code, ended.out) == (0, "")
    assert sorted(ended.err.splitlines()) == [
        f"the notice of --notify to 127.0.0.1 could not be sent: it answered {answer}",
        *[f"the notice of --ping to 127.0.0.1 could not be sent: it answered {answer}"] * 2,
    ]
    assert len(watcher.sent) == (6 if answer == 500 else 3)
    log = (root / "p.batch" / "run.log").read_text()
    assert "notice not sent" in log
    for file in (path for path in (root / "p.batch").rglob("*") if path.is_file()):
        assert SECRET.encode() not in file.read_bytes(), file


async def test_a_ping_of_a_check_that_is_not_there_is_told_though_it_is_answered_with_200(root: Path) -> None:
    async with emulated() as emulator, watching() as watcher:
        watcher.says = "OK (not found)"
        ended = await at_night(emulator.url, prompts(root / "p.csv", 1), cwd=root, BATCHGEN_PING_URL=watcher.url)
    told = "the notice of --ping to 127.0.0.1 could not be sent: it knows no check of this address"
    assert (ended.code, ended.err.splitlines()) == (0, [told, told])
    assert watcher.paths == ["/start", ""]


@pytest.mark.parametrize("answer", [b"", b"no HTTP\r\n\r\n"])
async def test_an_answer_that_is_none_is_told_in_words(root: Path, answer: bytes) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ended = await batchgen("rescue", "nowhere.batch", "--notify", f"http://127.0.0.1:{port}/{SECRET}", cwd=root)
        server.close()
    assert "the notice of --notify to 127.0.0.1 could not be sent: it gave no answer that can be read" in ended.err


async def test_the_log_of_a_night_says_which_version_ran(root: Path) -> None:
    async with emulated() as emulator:
        await at_night(emulator.url, prompts(root / "p.csv", 1), cwd=root)
    events = [json.loads(line) for line in (root / "p.batch" / "run.log").read_text().splitlines()]
    assert [event["version"] for event in events if event["event"] == "run begins"] == [__version__]


async def test_a_watcher_that_is_silent_or_away_holds_nothing_up_for_long(root: Path) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with emulated() as emulator, await asyncio.start_server(never, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        flags = ("--ping", f"http://127.0.0.1:{port}/{SECRET}", "--notify", "http://127.0.0.1:9/away")
        sooner = altered(root, {"batchgen.notices.notice": "BEGUN_SECONDS, LAST_SECONDS = 1.0, 4.0"})
        ended = await run(emulator, prompts(root / "p.csv", 1), *flags, **sooner)
        server.close()
    assert ended.code == 0
    assert "--ping to 127.0.0.1 could not be sent" in ended.err
    assert "--notify to 127.0.0.1 could not be sent: Connection refused" in ended.err
    assert SECRET not in ended.err


@pytest.mark.parametrize(
    "url",
    [
        f"http://example.com/{SECRET}",
        f"hc-ping.com/{SECRET}",
        f"ftp://example.com/{SECRET}",
        f"https://a:{SECRET}@b/",
        f"https://[{SECRET}/",
        f"https://b:x{SECRET}/",
        f"https://b/{SECRET} x",
        f"https://b/#{SECRET}",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(UsageError, match="--ping: ") as caught:
        read_notice_url("--ping", url)
    assert SECRET not in str(caught.value)


# -- figures


def figures(file: Path) -> dict[tuple[str, str], float]:
    """Each metric's value, by its name and the label besides the batch."""
    found = {}
    for family in text_string_to_metric_families(file.read_text(encoding="utf-8")):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("batch").endswith(".batch")
            found[sample.name, "".join(labels.values())] = sample.value
    return found


async def test_the_metrics_of_a_run_are_what_prometheus_reads(root: Path) -> None:
    manifest = sheet(
        root / 'a "quoted" \\ name\n.csv', [{"prompt": "x", "resolution": "720p"}, {"prompt": "[violation] y"}]
    )
    async with emulated() as emulator:
        ended = await run(emulator, manifest, "--metrics", "night.prom")
    found = figures(root / "night.prom")
    assert found["batchgen_rows", "archived"] == found["batchgen_rows", "failed"] == 1
    assert found["batchgen_failed_rows", "CONTENT_VIOLATION"] == 1
    assert found["batchgen_last_run_exit_code", ""] == 1
    assert found["batchgen_run_active", ""] == 0
    assert found["batchgen_archived_bytes", ""] == ended.summary["bytes"]
    assert found["batchgen_last_run_cost_usd", ""] == ended.summary["spent_usd"] > 0
    assert (root / "night.prom").stat().st_mode & 0o777 == 0o644
    assert not list(root.glob(".night*"))


async def test_the_metrics_of_a_night_without_a_run_are_its_end_and_its_exit_code(root: Path) -> None:
    ended = await batchgen(
        *("run", prompts(root / "p.csv", 1), "--metrics", root / "night.prom"), cwd=root, APIXO_API_KEY=""
    )
    assert ended.code == 3
    found = figures(root / "night.prom")
    assert found.pop(("batchgen_written_time_seconds", "")) > 1e9
    assert found == {("batchgen_run_active", ""): 0, ("batchgen_last_run_exit_code", ""): 3}


async def test_the_metrics_of_a_run_at_work_are_there_meanwhile(root: Path) -> None:
    file = root / "night.prom"
    async with standing_still() as (emulator, _):
        arguments = ("run", prompts(root / "p.csv", 2), "--base-url", emulator.url, *PATIENT, "--metrics", file)
        process = await start(*arguments, cwd=root)
        await until(lambda: file.exists(), process)
        found = figures(file)
        process.kill()
        await process.communicate()
    assert found["batchgen_run_active", ""] == 1
    assert sum(value for (name, _), value in found.items() if name == "batchgen_rows") == 2


async def test_metrics_that_cannot_be_written_change_nothing(root: Path) -> None:
    async with emulated() as emulator:
        ended = await run(emulator, prompts(root / "p.csv", 1), "--metrics", "/proc/nowhere/night.prom")
    assert ended.code == 0
    assert "--metrics /proc/nowhere/night.prom could not be written" in ended.err
