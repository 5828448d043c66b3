"""A batch archived in S3, on a real server."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from tests.e2e.program import QUICK, altered, batchgen, emulated, kill_at, paid, prompts, results, run, sheet, start
from tests.s3_server import S3Server
from tests.waiting import until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def key_of(place: str) -> str:
    return urlsplit(place).path.lstrip("/")


async def test_a_batch_goes_to_s3_and_a_second_run_asks_and_fetches_nothing(s3: S3Server, tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 40)
    async with emulated() as emulator:
        ended = await run(emulator, manifest, "--to", "s3://night/films", **s3.environment)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 40, 40), ended.err
        tasks = {task.id: task for task in emulator.tasks}
        for row in results(tmp_path / "p.batch"):
            found = s3.client.get_object(Bucket="night", Key=key_of(row["video"]))
            content = found["Body"].read()
            assert content == await emulator.video(tasks[row["task_id"]])
            assert row["sha256"] == found["Metadata"]["sha256"] == sha256(content).hexdigest()
        local = [path.name for path in (tmp_path / "p.batch").rglob("*") if path.is_file()]
        assert sorted(local) == [".lock", "ledger.sqlite", "report.html", "results.csv", "run.log"]
        asked, fetched = len(emulator.requests), len(emulator.files)
        again = await run(emulator, manifest, "--to", "s3://night/films", **s3.environment)
        assert (again.code, again.summary["submitted"]) == (0, 0)
        assert (len(emulator.requests), len(emulator.files)) == (asked, fetched)
        assert (await batchgen("verify", "p.batch", cwd=tmp_path, **s3.environment)).code == 0
        s3.client.delete_object(Bucket="night", Key="films/r3.mp4")
        assert "r3" in (await batchgen("verify", "p.batch", cwd=tmp_path, **s3.environment)).err


async def test_a_bucket_that_is_not_there_is_found_before_anything_is_paid(s3: S3Server, tmp_path: Path) -> None:
    async with emulated() as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 2), "--to", "s3://nowhere/x", **s3.environment)
        assert (ended.code, len(emulator.requests)) == (2, 0)
        assert "nowhere" in ended.err
        ended = await run(emulator, tmp_path / "p.csv")  # the slip is not remembered
        assert (ended.code, ended.summary["archived"]) == (0, 2)


async def test_wrong_credentials_are_found_before_anything_is_paid(s3: S3Server, tmp_path: Path) -> None:
    s3.make_bucket("locked")
    wrong = s3.environment | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    async with emulated() as emulator:
        ended = await run(emulator, prompts(tmp_path / "p.csv", 2), "--to", "s3://locked/x", **wrong)
        assert (ended.code, len(emulator.requests)) == (2, 0)


async def test_kill_9_during_uploads_leaves_whole_objects_and_pays_for_nothing_twice(
    s3: S3Server, tmp_path: Path
) -> None:
    s3.make_bucket("killed")
    manifest = prompts(tmp_path / "p.csv", 20)
    flags = ("--to", "s3://killed/x")
    kills = 0
    async with emulated() as emulator:
        for fetched in (2, 8, 14):
            process = await start(
                *("run", manifest, "--base-url", emulator.url, *flags, *QUICK), cwd=tmp_path, **s3.environment
            )
            kills += await kill_at(process, emulator.files, fetched)
        assert kills >= 2
        ended = await run(emulator, manifest, *flags, "--in-doubt", "hold", **s3.environment)
        assert max(len(tasks) for tasks in paid(emulator).values()) == 1
        assert ended.summary["archived"] + ended.summary["in_doubt"] == 20
        for row in results(tmp_path / "p.batch"):
            if row["status"] == "archived":
                body = s3.client.get_object(Bucket="killed", Key=key_of(row["video"]))["Body"].read()
                assert sha256(body).hexdigest() == row["sha256"]


class Store:
    """A store in this process that can be told to hang or to refuse; it keeps objects as S3 does."""

    def __init__(self) -> None:
        self.url = ""
        self.hangs = False  # with a video, for ever
        self.refuses: Callable[[web.Request], bool] = lambda request: False
        self.expires_after: int | None = None  # so many videos that were looked at, the credentials do
        self.kept: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.seen = 0  # videos that were looked at
        self.came, self.over = asyncio.Event(), asyncio.Event()

    @property
    def videos(self) -> list[str]:
        return [key for key in self.kept if key.endswith(".mp4")]

    @web.middleware
    async def judge(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.expires_after is not None and self.seen >= self.expires_after:
            return web.Response(status=400, text="<Error><Code>ExpiredToken</Code></Error>")
        if self.refuses(request):
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        return await handler(request)

    async def put(self, request: web.Request) -> web.Response:
        if self.hangs and request.path.endswith(".mp4"):
            self.came.set()
            await self.over.wait()
            return web.Response(status=500)
        taken = request.path in self.kept and "If-None-Match" in request.headers
        marks = {name: value for name, value in request.headers.items() if name.lower().startswith("x-amz-meta-")}
        self.kept.setdefault(request.path, (await request.read(), marks))
        return web.Response(status=412 if taken else 200)

    async def get(self, request: web.Request) -> web.Response:
        if "list-type" in request.query:
            bucket = f"{request.path}/"
            keys = [key.removeprefix(bucket) for key in self.kept if key.startswith(bucket + request.query["prefix"])]
            listed = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
            return web.Response(text=f"<ListBucketResult>{listed}</ListBucketResult>")
        if request.path not in self.kept:
            return web.Response(status=404)
        self.seen += request.path.endswith(".mp4")
        body, marks = self.kept[request.path]
        return web.Response(body=body, headers=marks)

    async def delete(self, request: web.Request) -> web.Response:
        self.kept.pop(request.path, None)
        return web.Response(status=204)


@asynccontextmanager
async def local_store() -> AsyncIterator[Store]:
    """A store on a port of this machine."""
    store = Store()
    app = web.Application(middlewares=[store.judge])
    key = "/{key:.*}"
    app.add_routes([web.put(key, store.put), web.get(key, store.get), web.delete(key, store.delete)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    store.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield store
    finally:
        store.over.set()
        await runner.cleanup()


LOCAL_KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}


async def test_a_signal_ends_a_run_whose_store_hangs(tmp_path: Path) -> None:
    async with emulated() as emulator, local_store() as store:
        store.hangs = True
        process = await start(
            *("run", prompts(tmp_path / "p.csv", 2), "--base-url", emulator.url, "--to", "s3://slow/x", *QUICK),
            cwd=tmp_path,
            **LOCAL_KEYS,
            AWS_ENDPOINT_URL=store.url,
        )
        await until(store.came.is_set, process)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(200):  # the store would be waited for eight minutes
            await process.communicate()
        assert process.returncode == 128 + signal.SIGTERM
        assert {row["status"] for row in results(tmp_path / "p.batch")} <= {"rendered", "in_flight"}


async def test_a_deadline_ends_a_run_whose_store_hangs(tmp_path: Path) -> None:
    async with emulated() as emulator, local_store() as store:
        store.hangs = True
        where = {**LOCAL_KEYS, "AWS_ENDPOINT_URL": store.url}
        manifest = prompts(tmp_path / "p.csv", 2)
        async with asyncio.timeout(200):  # the store would be waited for eight minutes
            for deadline in ("6s", "20s", "60s"):  # by which a slow machine has come to the store, too
                ended = await run(emulator, manifest, "--to", "s3://slow/x", "--deadline", deadline, **where)
                if store.came.is_set():
                    break
        assert (ended.code, store.came.is_set()) == (4, True)
        assert ended.summary["stopped"] == f"--deadline {deadline} is reached"


async def test_credentials_that_expire_stop_submitting_and_new_ones_archive_what_is_paid(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 16)
    async with emulated() as emulator, local_store() as store:
        store.expires_after = 1
        where: dict[str, str] = {**LOCAL_KEYS, "AWS_ENDPOINT_URL": store.url}
        ended = await run(emulator, manifest, "--to", "s3://b/x", "--concurrency", "2", **where)
        paid_for = len(emulator.tasks)
        assert (ended.code, ended.summary["archived"], ended.summary["in_flight"]) == (1, 1, 0)
        assert (ended.summary["rendered"], ended.summary["pending"]) == (paid_for - 1, 16 - paid_for)
        assert ended.summary["pending"] > 0
        assert "credentials" in ended.summary["stopped"]  # a HEAD's refusal, if it comes first, has no words
        store.expires_after = None
        ended = await run(emulator, manifest, "--limit", str(paid_for), **where)
        assert (len(store.videos), ended.summary["submitted"], len(emulator.tasks)) == (paid_for, 0, paid_for)
        ended = await run(emulator, manifest, **where)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 16, 16)
        for task in emulator.tasks:
            key = f"/b/x/r{task.input['prompt'].removeprefix('prompt ')}.mp4"
            assert store.kept[key][0] == await emulator.video(task)


@pytest.mark.parametrize(
    ("refused", "permission"), [("GET HEAD", "s3:GetObject"), ("HEAD", "s3:GetObject"), ("PUT", "s3:PutObject")]
)
async def test_a_permission_that_is_lacking_is_named_before_anything_is_paid(
    refused: str, permission: str, tmp_path: Path
) -> None:
    async with emulated() as emulator, local_store() as store:
        store.refuses = lambda request: request.method in refused
        where = {**LOCAL_KEYS, "AWS_ENDPOINT_URL": store.url}
        ended = await run(emulator, prompts(tmp_path / "p.csv", 2), "--to", "s3://b/x", **where)
        assert (ended.code, len(emulator.tasks)) == (2, 0)
        assert f"{permission} is refused; the credentials need s3:PutObject, s3:GetObject and" in ended.err


async def test_a_permission_that_is_lost_while_videos_come_stops_the_run_and_loses_none(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 12)
    async with emulated() as emulator, local_store() as store:
        where = {**LOCAL_KEYS, "AWS_ENDPOINT_URL": store.url}
        store.refuses = lambda request: request.method == "HEAD" and request.path.endswith(".mp4")
        ended = await run(emulator, manifest, "--to", "s3://b/x", "--concurrency", "2", **where)
        paid_for = len(emulator.tasks)
        assert (ended.code, ended.summary["archived"]) == (1, 0)
        assert "s3:GetObject is refused" in ended.summary["stopped"]
        assert (ended.summary["rendered"], ended.summary["pending"] > 0) == (paid_for, True)
        store.refuses = lambda request: False
        ended = await run(emulator, manifest, **where)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 12, 12), ended.err
        assert len(store.videos) == 12


async def test_a_video_that_may_be_gone_where_nobody_may_list_says_which_permission_would_tell(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 2)
    async with emulated() as emulator, local_store() as store:
        where = {**LOCAL_KEYS, "AWS_ENDPOINT_URL": store.url}
        await run(emulator, manifest, "--to", "s3://b/x", **where)
        store.refuses = lambda request: request.path.endswith("r1.mp4")
        ended = await batchgen("verify", "p.batch", cwd=tmp_path, **where)
        assert (ended.code, "s3://b/x/r1.mp4: s3:GetObject is refused" in ended.err) == (1, True), ended.err
        assert "without s3:ListBucket, one that is gone is refused as well" in ended.err


@pytest.mark.parametrize(
    ("may_list", "asked_about"), [(True, {"/b/new/r0.mp4"}), (False, {"/b/new/r0.mp4", "/b/new/r1.mp4"})]
)
async def test_many_videos_that_may_have_been_moved_are_listed_where_that_is_permitted(
    may_list: bool, asked_about: set[str], tmp_path: Path
) -> None:
    manifest, heads = prompts(tmp_path / "p.csv", 2), set[str]()

    def judge(request: web.Request) -> bool:
        if request.method == "HEAD" and request.path.endswith(".mp4"):
            heads.add(request.path)
        return "list-type" in request.query and not may_list

    async with emulated() as emulator, local_store() as store:
        where = {**LOCAL_KEYS, "AWS_ENDPOINT_URL": store.url, **altered(tmp_path, {"batchgen.videos.moved": "FEW = 1"})}
        await run(emulator, manifest, "--to", "s3://b/x", **where)
        store.kept["/b/new/r0.mp4"] = store.kept.pop("/b/x/r0.mp4")
        store.refuses = judge
        ended = await run(emulator, manifest, "--to", "s3://b/new", **where)
        assert "1 archived video found in s3://b/new" in ended.err
        assert heads == asked_about


async def test_a_video_that_is_kept_is_copied_to_another_kind_of_destination_without_its_link(
    s3: S3Server, tmp_path: Path
) -> None:
    s3.make_bucket("moved")
    same = {"prompt": "the same", "seed": "1"}
    rows = [{"id": name, **same} for name in ("disk", "bucket", "disk-again")]
    async with emulated() as emulator:
        for number, to in enumerate(("videos", "s3://moved/x", "videos"), 1):
            manifest = sheet(tmp_path / "p.csv", rows[:number])
            ended = await run(emulator, manifest, "--to", to, **s3.environment)
            assert (ended.code, ended.summary["archived"]) == (0, number), ended.err
        assert (len(emulator.tasks), len(emulator.files)) == (1, 1)
        places = [row["video"] for row in results(tmp_path / "p.batch")]
        assert [place.startswith("s3://") for place in places] == [False, True, False]


async def test_a_video_on_disk_that_another_batch_paid_for_is_taken_into_a_bucket(s3: S3Server, tmp_path: Path) -> None:
    s3.make_bucket("taken")
    env = {"XDG_DATA_HOME": str(tmp_path / "home"), **s3.environment}
    rows = [{"prompt": "shared", "seed": "1"}]
    async with emulated() as emulator:
        await run(emulator, sheet(tmp_path / "a.csv", rows), **env)
        ended = await run(emulator, sheet(tmp_path / "b.csv", rows), "--reuse", "--to", "s3://taken/x", **env)
        assert (ended.code, ended.summary["archived"], len(emulator.tasks)) == (0, 1, 1), ended.err
