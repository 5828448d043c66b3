"""The served page, over real sockets: who is let in, what is given, and that no link to S3 is kept."""

import asyncio
import hashlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from yarl import URL

from batchgen.errors import LedgerError, UsageError
from batchgen.folder.lock import Lock
from batchgen.ledger import Ledger
from batchgen.model import State
from batchgen.report import serve as serve_module
from batchgen.report.serve import Reader, ReportServer, _beside
from tests.report.batches import Wanted, archive, film, make_batch
from tests.s3_server import S3Server

FOX = film(shade=120)
SHA = hashlib.sha256(FOX).hexdigest()


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    rows = [Wanted("fox", content=FOX), Wanted("open", "open", state=State.IN_FLIGHT), Wanted("gone", "gone")]
    return make_batch(tmp_path / "x.batch", rows)


@pytest.fixture
async def server(batch: Path) -> AsyncIterator[ReportServer]:
    async with ReportServer(batch) as running:
        yield running


@pytest.fixture
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_the_page_is_live_and_may_ask_its_own_server_alone(
    server: ReportServer, web: aiohttp.ClientSession
) -> None:
    async with web.get(server.url) as answer:
        html = await answer.text()
    assert answer.status == 200
    assert "connect-src 'self';" in html.replace("&#x27;", "'")
    assert "img-src 'self' data:;" in html.replace("&#x27;", "'")
    assert '"live":true' in html
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["", "data.json", "video/x.mp4"])
@pytest.mark.parametrize("token", ["", "x" * 32, "%00", "ü"])
async def test_without_the_token_nothing_is_here(
    server: ReportServer, web: aiohttp.ClientSession, token: str, path: str
) -> None:
    origin = urlsplit(server.url)
    async with web.get(f"http://{origin.netloc}/{token}/{path}") as answer:
        assert (answer.status, await answer.text()) == (404, "Nothing is here.\n")


@pytest.mark.parametrize("sent", [b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET * HTTP/1.1\r\n\r\n", b"\x16\3\1"])
async def test_what_scanners_send_is_no_matter_for_a_terminal(
    server: ReportServer, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
    writer.write(sent)
    assert (await reader.read(12))[9:11] == b"40"
    writer.close()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example", 404), ("evil.example:80", 404), ("127.0.0.1.evil.example", 404), ("localhost:9000", 200)],
)
async def test_a_page_of_another_host_is_not_answered(
    server: ReportServer, web: aiohttp.ClientSession, host: str, status: int
) -> None:
    async with web.get(server.url, headers={"Host": host}) as answer:
        assert answer.status == status


async def test_only_this_machine_is_listened_to_and_each_server_has_a_token_of_its_own(batch: Path) -> None:
    async with ReportServer(batch) as one, ReportServer(batch) as other:
        assert urlsplit(one.url).hostname == "127.0.0.1"
        assert urlsplit(one.url).path != urlsplit(other.url).path
        assert len(urlsplit(one.url).path) > 30


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_can_be_changed(server: ReportServer, web: aiohttp.ClientSession, method: str) -> None:
    async with web.request(method, server.url) as answer:
        assert answer.status == 405


# -- videos and posters


async def test_a_local_video_is_given_whole_and_in_parts_and_the_browser_may_keep_it(
    server: ReportServer, web: aiohttp.ClientSession
) -> None:
    async with web.get(f"{server.url}video/{SHA}.mp4") as whole:
        assert (whole.status, whole.content_type, await whole.read()) == (200, "video/mp4", FOX)
        assert whole.headers["Cache-Control"] == "private, no-cache"
    async with web.get(f"{server.url}video/{SHA}.mp4", headers={"Range": "bytes=100-199"}) as part:
        assert (part.status, await part.read()) == (206, FOX[100:200])
        assert part.headers["Content-Range"] == f"bytes 100-199/{len(FOX)}"
    async with web.get(f"{server.url}video/{SHA}.mp4", headers={"Range": f"bytes={len(FOX)}-"}) as beyond:
        assert beyond.status == 416


@pytest.mark.parametrize(
    "path",
    [
        "video/1.mp4",
        f"video/{'0' * 64}.mp4",
        f"video/{SHA}.mp4.bak",
        "video/..%2f..%2fledger.sqlite",
        "video/%2fetc%2fpasswd",
        f"poster/{'0' * 64}.jpg",
        "ledger.sqlite",
        "videos/1.mp4",
    ],
)
async def test_only_what_the_ledger_names_by_its_checksum_is_given(
    server: ReportServer, web: aiohttp.ClientSession, path: str
) -> None:
    async with web.get(URL(f"{server.url}{path}", encoded=True)) as answer:
        assert answer.status == 404


async def test_a_video_whose_file_is_gone_is_not_found(server: ReportServer, web: aiohttp.ClientSession) -> None:
    gone = hashlib.sha256(b"gone").hexdigest()
    for path in (f"video/{gone}.mp4", f"poster/{gone}.jpg"):
        async with web.get(server.url + path) as answer:
            assert answer.status == 404


async def test_a_poster_is_made_when_it_is_looked_at(
    server: ReportServer, web: aiohttp.ClientSession, batch: Path
) -> None:
    assert not (batch / "posters").exists()
    async with web.get(f"{server.url}poster/{SHA}.jpg") as answer:
        assert (answer.status, (await answer.read())[:3]) == (200, b"\xff\xd8\xff")
    assert len(list((batch / "posters").iterdir())) == 1


# -- news


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each question be answered from the ledger as it is now."""
    monkeypatch.setattr(serve_module, "REST_SECONDS", 0.0)
    monkeypatch.setattr(serve_module, "REST_SHARE", 0.0)


@pytest.mark.usefixtures("restless")
async def test_news_come_when_there_are_some(batch: Path, web: aiohttp.ClientSession) -> None:
    async with ReportServer(batch) as server:
        await _read_news(server, web, batch)


async def _read_news(server: ReportServer, web: aiohttp.ClientSession, batch: Path) -> None:
    async with web.get(f"{server.url}data.json") as answer:
        etag = answer.headers["ETag"]
        assert [row[2] for row in (await answer.json())["rows"]] == ["archived", "in_flight", "archived"]
    async with web.get(f"{server.url}data.json", headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    with Ledger.open(batch / "ledger.sqlite") as run, run.database.transaction():
        run.database.execute("UPDATE job SET state = 'archived' WHERE job = 2")
        archive(run, batch, 2, Wanted("open", content=b"new"))
    async with web.get(f"{server.url}data.json", headers={"If-None-Match": etag}) as answer:
        news = await answer.json()
        assert (answer.status, [row[2] for row in news["rows"]]) == (200, ["archived"] * 3)
        assert answer.headers["ETag"] != etag
    assert news["head"][0] == "div"
    async with web.get(f"{server.url}video/{hashlib.sha256(b'new').hexdigest()}.mp4") as answer:
        assert await answer.read() == b"new"


@pytest.mark.usefixtures("restless")
def test_a_run_is_at_work_while_it_holds_the_lock(batch: Path) -> None:
    reader, told = Reader(_beside(batch), batch), []
    for held in (nullcontext(), Lock(batch), nullcontext()):  # its file stays, with our process's number
        with held:
            told.append(reader.read().page.running)
    reader.close()
    assert told == [False, True, False]


@pytest.mark.usefixtures("restless")
def test_a_ledger_that_another_takes_the_place_of_is_let_go(batch: Path) -> None:
    """Of a batch elsewhere each look gives another: what is not closed would stay in memory."""
    one, other = (Ledger.open(batch / "ledger.sqlite", read_only=True) for _ in range(2))
    sources = iter([one, one, other])
    reader = Reader(lambda: (next(sources), False), batch)
    reader.read()
    reader.read()
    one.fact("service")
    reader.read()
    with pytest.raises(LedgerError):
        one.fact("service")
    reader.close()


# -- its beginning and end


async def test_a_port_that_is_taken_is_said(server: ReportServer, batch: Path) -> None:
    taken = urlsplit(server.url).port
    with pytest.raises(UsageError, match=f"port {taken} cannot be used"):
        async with ReportServer(batch, port=taken or 0):
            pass


async def test_a_ledger_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("no ledger at all" * 100)
    with pytest.raises(LedgerError):
        async with ReportServer(tmp_path):
            pass


async def test_a_signal_ends_it(batch: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from batchgen.report.serve import serve; "
        "serve(Path(sys.argv[1]), lambda text: (sys.stdout.write(text + chr(10)), sys.stdout.flush()))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(batch), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout
    line = await process.stdout.readline()
    assert line.startswith(b"http://127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


# -- S3


@pytest.fixture
def s3_batch(tmp_path: Path, aws: S3Server) -> Path:
    aws.client.put_object(Bucket="night", Key="a/fox é.mp4", Body=FOX)
    far = Wanted("fox", content=FOX, places=("s3://night/a/fox é.mp4",))
    return make_batch(tmp_path / "far.batch", [far, replace(far, id="lost", prompt="lost", content=b"lost")])


async def test_a_video_on_s3_is_played_by_a_link_that_is_made_now_and_kept_nowhere(
    s3_batch: Path, aws: S3Server, web: aiohttp.ClientSession
) -> None:
    async with ReportServer(s3_batch) as server:
        async with web.get(server.url) as answer:
            html = await answer.text()
        async with web.get(f"{server.url}video/{SHA}.mp4", allow_redirects=False) as answer:
            link = answer.headers["Location"]
            assert (answer.status, answer.headers["Cache-Control"]) == (302, "no-store")
        async with web.get(f"{server.url}video/{SHA}.mp4", headers={"Range": "bytes=0-9"}) as video:
            assert (video.status, await video.read()) == (206, FOX[:10])
        async with web.get(f"{server.url}data.json") as answer:
            news = await answer.text()
    assert link.startswith(aws.url)
    assert "X-Amz-Expires=3600" in link
    assert f"media-src 'self' {aws.url};" in html.replace("&#x27;", "'")
    written = [path.read_bytes() for path in s3_batch.rglob("*") if path.is_file()]
    assert not [text for text in (html.encode(), news.encode(), *written) if b"X-Amz-Signature" in text]


async def test_the_poster_of_a_video_on_s3_is_made_from_a_piece_of_it(
    s3_batch: Path, web: aiohttp.ClientSession
) -> None:
    async with ReportServer(s3_batch) as server, web.get(f"{server.url}poster/{SHA}.jpg") as answer:
        assert (answer.status, (await answer.read())[:3]) == (200, b"\xff\xd8\xff")


async def test_a_page_that_was_opened_before_the_first_video_may_play_it_too(
    tmp_path: Path, aws: S3Server, web: aiohttp.ClientSession
) -> None:
    folder = make_batch(tmp_path / "new.batch", [Wanted("fox", state=State.IN_FLIGHT)])
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        ledger.remember({"destination": "s3://night"})
    async with ReportServer(folder) as server, web.get(server.url) as answer:
        assert f"media-src 'self' {aws.url};" in (await answer.text()).replace("&#x27;", "'")


async def test_without_credentials_the_page_is_there_and_the_video_says_why_not(
    s3_batch: Path, web: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with ReportServer(s3_batch) as server:
        async with web.get(server.url) as answer:
            assert answer.status == 200
        async with web.get(f"{server.url}video/{SHA}.mp4") as answer:
            assert answer.status == 503
            assert "a link to s3://night: there are no credentials" in await answer.text()
        async with web.get(f"{server.url}poster/{SHA}.jpg") as answer:
            assert answer.status == 404
