"""Images: files are uploaded once and passed as signed links, and links are tried before anything is paid."""

import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from tests.e2e.program import batchgen, emulated, pipe, results, run, sheet
from tests.e2e.test_s3 import LOCAL_KEYS, local_store
from tests.images.samples import GIF, JPG, png
from tests.s3_server import S3Server


def traces(folder: Path) -> str:
    """All that the program has written, but for its videos."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".png", ".mp4")]
    return "".join(path.read_bytes().decode("latin-1") for path in files)


async def test_an_image_is_uploaded_once_signed_and_known_wherever_it_is_moved(s3: S3Server, tmp_path: Path) -> None:
    s3.make_bucket("images")
    (tmp_path / "fox.png").write_bytes(png())
    (tmp_path / "same.png").write_bytes(png())
    rows = [{"id": "a", "prompt": "a", "image_urls": "fox.png"}, {"id": "b", "prompt": "b", "image_urls": "same.png"}]
    manifest, flags = sheet(tmp_path / "p.csv", rows), ("--images-to", "s3://images/in")
    async with emulated() as emulator:
        refused = await run(emulator, manifest, **s3.environment)
        assert (refused.code, emulator.requests) == (2, [])
        assert "lines 2-3 (2 rows), column image_urls: image_urls names an image on this machine" in refused.err
        assert "--images-to" in refused.err
        ended = await run(emulator, manifest, *flags, "--limit", "1", **s3.environment)
        assert (ended.code, ended.summary["archived"]) == (0, 1), ended.err
        assert "1 image was uploaded" in ended.err
        (link,) = emulator.tasks[0].input["image_urls"]
        assert urllib.request.urlopen(link).read() == png()
        assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["86400"]
        assert len(s3.keys("images", "in/")) == 1
        (tmp_path / "fox.png").rename(tmp_path / "moved.png")
        rows[0]["image_urls"] = "moved.png"
        ended = await run(emulator, sheet(manifest, rows), **s3.environment)
        assert (ended.code, ended.summary["submitted"], ended.summary["archived"]) == (0, 1, 2)
        assert "uploaded" not in ended.err
        assert "X-Amz" not in traces(tmp_path) + ended.out + ended.err
        again = await run(emulator, tmp_path / "p.batch" / "results.csv", **s3.environment)
        assert (again.code, again.summary["submitted"], again.summary["archived"]) == (0, 0, 2), again.err
        rows[0]["image_urls"] = "other.png"
        (tmp_path / "other.png").write_bytes(png(9))
        broken_off = {"Bucket": "images", "Key": f"in/{sha256(png(9)).hexdigest()}.png"}
        s3.client.put_object(**broken_off, Body=b"")
        assert (await run(emulator, sheet(manifest, rows), **s3.environment)).summary["submitted"] == 1
        assert s3.client.get_object(**broken_off)["Body"].read() == png(9)


async def test_a_bucket_that_does_not_take_images_is_found_before_anything_is_paid(
    s3: S3Server, tmp_path: Path
) -> None:
    (tmp_path / "fox.png").write_bytes(png())
    manifest = sheet(tmp_path / "p.csv", [{"id": "a", "prompt": "a", "image_urls": "fox.png"}])
    async with emulated() as emulator:
        ended = await run(emulator, manifest, "--images-to", "s3://nowhere/in", **s3.environment)
        assert (ended.code, [path for path in emulator.requests if "generate" in str(path)]) == (2, [])
        assert "--images-to" in ended.err


async def test_a_bucket_whose_images_may_not_be_read_is_found_before_anything_is_paid(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(png())
    manifest = sheet(tmp_path / "p.csv", [{"id": "a", "prompt": "a", "image_urls": "fox.png"}])
    async with emulated() as emulator, local_store() as store:
        store.refuses = lambda request: request.method != "PUT"
        where = {**LOCAL_KEYS, "AWS_ENDPOINT_URL": store.url}
        ended = await run(emulator, manifest, "--images-to", "s3://b/in", **where)
        assert (ended.code, len(emulator.tasks)) == (2, 0)
        assert "s3:GetObject is refused; the credentials need s3:PutObject and s3:GetObject there" in ended.err


async def test_failures_with_images_are_mended_with_paths_as_in_the_sheet(s3: S3Server, tmp_path: Path) -> None:
    s3.make_bucket("mended")
    (tmp_path / "in").mkdir()
    for name, shade in (("a.png", 1), ("b.png", 2)):
        (tmp_path / "in" / name).write_bytes(png(shade))
    rows = [{"id": n, "prompt": f"[violation] {n}", "image_urls": "in/a.png"} for n in "xy"]
    async with emulated() as emulator:
        await run(emulator, sheet(tmp_path / "p.csv", rows), "--images-to", "s3://mended", **s3.environment)
        failures = tmp_path / "p.batch" / "failures.csv"
        lines = failures.read_text().replace("[violation] ", "").splitlines()
        lines[2] = lines[2].replace("in/a.png", "in/b.png")
        failures.write_text("\n".join(lines))
        ended = await run(emulator, failures, **s3.environment)
        assert (ended.code, ended.summary["submitted"], ended.summary["archived"]) == (0, 2, 2), ended.err
        assert len(s3.keys("mended")) == 2


async def test_with_the_emulator_a_sheet_with_images_is_tried_without_a_bucket(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(png())
    manifest = sheet(tmp_path / "p.csv", [{"id": "a", "prompt": "a", "image_urls": "fox.png"}])
    ran = ("run", manifest, "--emulator", "--json")
    ended = await batchgen(*ran, cwd=tmp_path)
    assert (ended.code, ended.summary["archived"]) == (0, 1), ended.err
    assert results(tmp_path / "p.batch")[0]["image_urls"] == f"sha256:{sha256(png()).hexdigest()}.png"
    page = tmp_path / "p.batch" / "report.html"
    assert f"fox.png (sha256:{sha256(png()).hexdigest()[:8]})" in page.read_text("utf-8")
    again = await batchgen("plan", manifest, "--json", cwd=tmp_path)
    assert (again.code, again.summary["to_submit"]) == (0, 0), again.err
    (tmp_path / "fox.png").write_bytes(png(9))
    edited = await batchgen(*ran, cwd=tmp_path)
    assert (edited.code, edited.summary["submitted"]) == (0, 1), edited.err
    mended = await batchgen("run", tmp_path / "p.batch" / "results.csv", "--emulator", "--json", cwd=tmp_path)
    assert (mended.code, mended.summary["submitted"], mended.summary["archived"]) == (0, 0, 1), mended.err
    assert f"fox.png (sha256:{sha256(png(9)).hexdigest()[:8]})" in page.read_text("utf-8")


# -- links


@asynccontextmanager
async def host(gone: Collection[str] = ("gone.jpg",)) -> AsyncIterator[str]:
    """A host of images, good and bad."""

    async def serve(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        content = {"good.jpg": JPG, "wrong.jpg": GIF, "large.jpg": JPG + bytes(11_000_000)}.get(name)
        return web.Response(status=404) if name in gone else web.Response(body=content)

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    finally:
        await runner.cleanup()


async def test_links_that_lead_to_no_image_are_told_by_line_before_anything_is_paid(tmp_path: Path) -> None:
    async with emulated() as emulator, host() as origin:
        signed = "X-Amz-Signature=s3cret"
        names = ["good.jpg", "gone.jpg", f"wrong.jpg?{signed}", "good.jpg", "large.jpg", f"gone.jpg?{signed}"]
        rows = [{"id": str(n), "prompt": "p", "image_urls": f"{origin}/{name}"} for n, name in enumerate(names)]
        manifest = sheet(tmp_path / "p.csv", rows)
        bad = await run(emulator, manifest, "--check-images")
        assert (bad.code, emulator.requests) == (2, [])
        told = [line.partition(": ")[2] for line in bad.err.splitlines() if "column image_urls" in line]
        assert [line.split(":")[0] for line in told] == [f"line {n}, column image_urls" for n in (3, 4, 6, 7)]
        for line, words in zip(told, ["HTTP 404", "not a JPG", "11.0 MB", "HTTP 404"], strict=True):
            assert words in line
        assert "s3cret" not in bad.err
        good = await run(emulator, manifest, "--check-images", "--only", "row:1,row:4")
        assert (good.code, good.summary["archived"]) == (0, 2), good.err
        planned = await batchgen("plan", manifest, "--check-images", cwd=tmp_path)
        assert planned.code == 2


async def test_links_of_rows_that_may_be_paid_for_again_are_tried_too(tmp_path: Path) -> None:
    gone: set[str] = set()
    async with emulated() as emulator, host(gone) as origin:
        emulator.faults.plan = lambda moment: (
            "submit-lost" if (moment.endpoint, moment.index) == ("submit", 0) else None
        )
        prompts = {"doubted": "p", "failed": "[violation]"}
        rows = [{"id": id_, "prompt": words, "image_urls": f"{origin}/good.jpg"} for id_, words in prompts.items()]
        manifest = sheet(tmp_path / "p.csv", rows)
        first = await run(emulator, manifest)
        assert (first.summary["in_doubt"], first.summary["failed"]) == (1, 1), first.err
        gone.add("good.jpg")
        held = await run(emulator, manifest, "--check-images")
        again = [await run(emulator, manifest, "--check-images", *leave) for leave in LEAVES]
        assert [held.code, *(ended.code for ended in again)] == [1, 2, 2]
        assert len(emulator.tasks) == 2


LEAVES = (("--retry-failed",), ("--in-doubt", "resubmit"))


@pytest.mark.parametrize(
    "flags", [("--check-images",), ("--to", "nowhere/videos"), ("--only", "zzz*"), ("--images-to", "s3://nowhere/in")]
)
async def test_of_a_first_run_that_is_refused_nothing_is_left(tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "fox.png").write_bytes(png())
    image = "fox.png" if "--images-to" in flags else "http://127.0.0.1:9/gone.jpg"
    manifest = sheet(tmp_path / "p.csv", [{"prompt": "p", "image_urls": image}])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    words = ("run", "-", "--batch", "p.batch", "--emulator", *flags)
    refused = await pipe(manifest.read_bytes(), *words, cwd=tmp_path)
    assert refused.code == 2, refused.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    mine = tmp_path / "p.batch" / "videos"
    mine.parent.mkdir()
    (mine.parent / "run.log").write_text("of somebody else")
    assert (await pipe(manifest.read_bytes(), *words, cwd=tmp_path)).code == 2
    assert [path.name for path in mine.parent.iterdir()] == ["run.log"]
    assert (mine.parent / "run.log").read_text().startswith("of somebody else")


async def test_a_run_that_is_refused_after_one_that_was_not_loses_nothing(tmp_path: Path) -> None:
    manifest = sheet(tmp_path / "p.csv", [{"prompt": "p"}])
    async with emulated() as emulator:
        await run(emulator, manifest, "--max-tasks", "0")
        assert (tmp_path / "p.batch" / "ledger.sqlite").exists()
        assert (await run(emulator, manifest, "--to", "nowhere/videos")).code == 2
        assert (tmp_path / "p.batch" / "ledger.sqlite").exists()


async def test_a_link_to_an_inner_address_is_not_followed_for_a_service_outside(tmp_path: Path) -> None:
    async with host() as origin:
        manifest = sheet(tmp_path / "p.csv", [{"id": "a", "prompt": "p", "image_urls": f"{origin}/good.jpg"}])
        planned = await batchgen("plan", manifest, "--check-images", cwd=tmp_path)
        assert planned.code == 2
        assert "not a public one" in planned.err
        tried = await batchgen("plan", manifest, "--check-images", "--emulator", cwd=tmp_path)
        assert tried.code == 0, tried.err


async def test_links_that_the_service_cannot_follow_are_told_before_anything_is_paid(tmp_path: Path) -> None:
    signed = "X-Amz-Date=20200101T000000Z&X-Amz-Expires=3600&X-Amz-Signature=s3cret"
    links = ["http://192.168.1.5/a.jpg", "http://nas/b.jpg", f"https://host.example/c.png?{signed}"]
    rows = [{"id": str(n), "prompt": "p", "image_urls": link} for n, link in enumerate(links)]
    manifest = sheet(tmp_path / "p.csv", rows)
    planned = await batchgen("plan", manifest, cwd=tmp_path)
    assert "2 links to images lead into a network of your own" in planned.err
    assert f"({', '.join(links[:2])})" in planned.err
    dead = "1 link to an image has expired, by the date in it (https://host.example/c.png): sign anew"
    assert dead in planned.err
    assert "s3cret" not in planned.err
    assert "link" not in (await batchgen("plan", manifest, "--emulator", cwd=tmp_path)).err
    async with emulated() as emulator:
        ended = await run(emulator, manifest, "--quiet")
        assert dead in ended.err
        assert "a network of your own" not in ended.err, "the service is in it"
        again = await run(emulator, manifest, "--quiet")
        assert "link" not in again.err, "what is archived is not asked for"


async def test_an_image_that_is_taken_away_after_its_video_was_made_holds_no_later_run_up(tmp_path: Path) -> None:
    for name, shade in (("a.png", 1), ("b.png", 2)):
        (tmp_path / name).write_bytes(png(shade))
    rows = [{"id": name, "prompt": "p", "image_urls": f"{name}.png"} for name in ("a", "b")]
    quick = ("run", sheet(tmp_path / "p.csv", rows), "--emulator", "--json")
    assert (await batchgen(*quick, cwd=tmp_path)).summary["archived"] == 2
    (tmp_path / "a.png").unlink()
    rows.append({"id": "c", "prompt": "another", "image_urls": "b.png"})
    sheet(tmp_path / "p.csv", rows)
    said = "1 image is no longer there, and is taken as before: a.png"
    plan = await batchgen("plan", "p.csv", cwd=tmp_path)
    assert (said in plan.err, "1 of them new" in plan.out) == (True, True)
    ended = await batchgen(*quick, cwd=tmp_path)
    assert (ended.code, ended.summary["submitted"], ended.summary["archived"]) == (0, 1, 3)
    assert said in ended.err
    again = await batchgen(*quick, cwd=tmp_path)
    assert (again.code, again.summary["submitted"]) == (0, 0)


async def test_a_name_stands_for_the_image_that_it_was_last(tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "p", "image_urls": "a.png"}]
    quick = ("run", sheet(tmp_path / "p.csv", rows), "--emulator", "--json")
    for shade in (1, 2, 1):
        (tmp_path / "a.png").write_bytes(png(shade))
        assert (await batchgen(*quick, cwd=tmp_path)).summary["archived"] == 1
    (tmp_path / "a.png").unlink()
    again = await batchgen(*quick, cwd=tmp_path)
    assert (again.code, again.summary["submitted"]) == (0, 0)
    assert results(tmp_path / "p.batch")[0]["image_urls"] == f"sha256:{sha256(png(1)).hexdigest()}.png"
