"""The bucket: refusals in words, races, stores of lesser manners, large videos, and what a crash leaves."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from batchgen.archive import Archive, MissingError, open_archive
from batchgen.archive.s3 import refusal
from batchgen.errors import ArchiveError
from batchgen.s3.client import connect
from tests.archive.conftest import TAG, clip_of, keep, open_bucket
from tests.s3_server import S3Server

VIDEO = bytes(range(256)) * 400


@pytest.fixture
def bucket(aws: S3Server, tmp_path: Path) -> Archive:
    archive = open_bucket(tmp_path)
    archive.probe()
    return archive


def test_an_object_carries_its_type_and_checksum_and_nothing_else(aws: S3Server, bucket: Archive) -> None:
    [place] = keep(bucket, VIDEO, "a.mp4")
    head = aws.client.head_object(Bucket="videos", Key=place.removeprefix("s3://videos/"))
    assert head["ContentType"] == "video/mp4"
    assert head["Metadata"] == {"sha256": clip_of(VIDEO).sha256}
    assert str(bucket) + "/a.mp4" == place


def test_a_prefix_may_end_with_a_slash(aws: S3Server, tmp_path: Path) -> None:
    assert open_archive("s3://videos/films/", tag=TAG, scratch=tmp_path).place("a.mp4") == "s3://videos/films/a.mp4"


def test_a_bucket_that_is_gone_is_told_apart_from_a_missing_video(bucket: Archive) -> None:
    with pytest.raises(ArchiveError, match="no such bucket") as caught:
        list(bucket.read("s3://nosuchbucket/a.mp4"))
    assert not isinstance(caught.value, MissingError)


@pytest.mark.parametrize(("region", "is_amazon"), [("us-east-1", True), ("cn-north-1", True), (None, False)])
def test_amazon_is_known_in_every_region(
    aws: S3Server, monkeypatch: pytest.MonkeyPatch, region: str | None, is_amazon: bool
) -> None:
    if region:
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    assert connect(1)[1] is is_amazon


def test_nothing_of_a_video_has_a_name_on_the_local_disk(bucket: Archive, tmp_path: Path) -> None:
    with bucket.scratch() as file:
        file.write(VIDEO)
        file.flush()
        assert list(tmp_path.iterdir()) == []
        bucket.keep(file, "a.mp4", clip_of(VIDEO))
        assert list(tmp_path.iterdir()) == []


def test_a_bucket_without_a_prefix_will_do(aws: S3Server, tmp_path: Path) -> None:
    aws.make_bucket("plain")
    archive = open_archive("s3://plain", tag=TAG, scratch=tmp_path)
    archive.probe()
    assert keep(archive, VIDEO, "a.mp4") == ["s3://plain/a.mp4"]
    assert archive.free_bytes() is None


def test_of_a_race_for_one_name_one_wins_and_none_is_lost(bucket: Archive) -> None:
    contents = [bytes([number]) * 500 for number in range(8)]
    gate = threading.Barrier(len(contents))

    def work(content: bytes) -> str:
        gate.wait()
        return keep(bucket, content, "same.mp4")[0]

    with ThreadPoolExecutor(len(contents)) as pool:
        places = list(pool.map(work, contents))
    assert [b"".join(bucket.read(place)) for place in places] == contents
    assert f"{bucket}/same.mp4" in places


Patch = Callable[[Archive, str, Callable[..., Any]], None]


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> Patch:
    """Put something between the archive's client and one of its calls; the server behind it stays real."""

    def put(archive: Archive, call: str, change: Callable[..., Any]) -> None:
        client = archive._client  # type: ignore[attr-defined]
        real = getattr(client, call)
        monkeypatch.setattr(client, call, lambda **args: change(real, **args))

    return put


def answer(code: str, status: int, operation: str = "PutObject") -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


def test_the_probe_learns_whether_the_store_refuses_to_overwrite(bucket: Archive, patch: Patch) -> None:
    bucket.probe()
    assert bucket._has_conditions is True  # type: ignore[attr-defined]
    patch(bucket, "put_object", lambda real, **args: real(**without(args)))
    bucket.probe()
    assert bucket._has_conditions is False  # type: ignore[attr-defined]
    assert keep(bucket, VIDEO, "a.mp4")[0].endswith("/a.mp4")
    assert keep(bucket, VIDEO[1:], "a.mp4")[0].endswith(f"/a-{clip_of(VIDEO[1:]).sha256[:8]}.mp4")


def without(args: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in args.items() if name != "IfNoneMatch"}


@pytest.mark.parametrize(("code", "status"), [("NotImplemented", 501), ("InvalidArgument", 400)])
def test_a_store_that_does_not_know_the_condition_is_looked_at_first(
    bucket: Archive, patch: Patch, code: str, status: int
) -> None:
    def put(real: Callable[..., Any], **args: Any) -> Any:
        if "IfNoneMatch" in args:
            raise answer(code, status)
        return real(**args)

    patch(bucket, "put_object", put)
    bucket.probe()
    [first] = keep(bucket, VIDEO, "a.mp4")
    [second] = keep(bucket, VIDEO[1:], "a.mp4")
    assert (first == second, b"".join(bucket.read(first))) == (False, VIDEO)


def test_a_put_whose_answer_was_lost_is_found_to_be_ours(bucket: Archive, patch: Patch) -> None:
    lost = iter([True])

    def put(real: Callable[..., Any], **args: Any) -> Any:
        result = real(**args)
        if next(lost, False):
            raise ReadTimeoutError(endpoint_url="http://store")
        return result

    patch(bucket, "put_object", put)
    with pytest.raises(ArchiveError) as caught:
        keep(bucket, VIDEO, "a.mp4")
    assert not caught.value.full
    assert keep(bucket, VIDEO, "a.mp4") == [f"{bucket}/a.mp4"]


def test_an_object_that_says_it_is_the_video_and_is_damaged_is_not_taken_for_it(aws: S3Server, bucket: Archive) -> None:
    [place] = keep(bucket, VIDEO, "damaged.mp4")
    damaged = {"Bucket": "videos", "Key": place.removeprefix("s3://videos/")}
    said = aws.client.head_object(**damaged)["Metadata"]
    aws.client.put_object(**damaged, Body=bytes(len(VIDEO)), Metadata=said)
    for has_conditions in (True, False):
        bucket._has_conditions = has_conditions  # type: ignore[attr-defined]
        [again] = keep(bucket, VIDEO, "damaged.mp4")
        assert b"".join(bucket.read(again)) == VIDEO
        assert again != place


def test_an_object_that_says_what_it_is_is_known_without_being_read(bucket: Archive, patch: Patch) -> None:
    keep(bucket, VIDEO, "a.mp4")
    patch(bucket, "get_object", lambda real, **args: pytest.fail("gigabytes may be paid for"))
    assert bucket.holds("a.mp4", clip_of(VIDEO))
    assert not bucket.holds("a.mp4", clip_of(VIDEO[1:]))


def test_a_checksum_is_known_also_where_the_store_writes_its_name_otherwise(bucket: Archive, patch: Patch) -> None:
    def head(real: Callable[..., Any], **args: Any) -> Any:
        held = real(**args)
        return held | {"Metadata": {name.upper(): value for name, value in held["Metadata"].items()}}

    patch(bucket, "head_object", head)
    assert keep(bucket, VIDEO, "a.mp4") == [f"{bucket}/a.mp4"]


def test_a_store_that_fails_at_the_condition_is_not_thought_to_know_none(bucket: Archive, patch: Patch) -> None:
    def put(real: Callable[..., Any], **args: Any) -> Any:
        return refuse("SlowDown", 503)(real) if "IfNoneMatch" in args else real(**args)

    patch(bucket, "put_object", put)
    with pytest.raises(ArchiveError, match="SlowDown"):
        bucket.probe()


def refuse(code: str, status: int, operation: str = "PutObject") -> Callable[..., Any]:
    def change(_real: Callable[..., Any], **_args: Any) -> Any:
        raise answer(code, status, operation)

    return change


def test_an_object_that_may_not_be_looked_at_is_none_only_where_it_cannot_be_overwritten(
    bucket: Archive, patch: Patch
) -> None:
    patch(bucket, "head_object", refuse("403", 403, "HeadObject"))
    assert not bucket.has("a.mp4")
    assert not bucket.holds("a.mp4", clip_of(VIDEO))
    bucket._has_conditions = False  # type: ignore[attr-defined]
    patch(bucket, "put_object", lambda real, **args: pytest.fail("it may be there"))
    with pytest.raises(ArchiveError, match="s3:GetObject is refused"):
        bucket.has("a.mp4")
    with pytest.raises(ArchiveError, match="s3:GetObject is refused") as caught:
        keep(bucket, VIDEO, "a.mp4")
    assert caught.value.full


def test_an_object_that_is_there_and_may_not_be_looked_at_stops_the_run(bucket: Archive, patch: Patch) -> None:
    keep(bucket, VIDEO, "a.mp4")
    patch(bucket, "head_object", refuse("403", 403, "HeadObject"))
    for name in ("a.mp4", "b.mp4"):
        with pytest.raises(ArchiveError, match="s3:GetObject is refused") as caught:
            keep(bucket, VIDEO, name)
        assert caught.value.full


def test_names_are_listed_however_many_pages_they_fill_and_none_of_what_lies_deeper(
    aws: S3Server, bucket: Archive, patch: Patch
) -> None:
    [place, *_] = keep(bucket, VIDEO, "a.mp4", "b.mp4", "c.mp4")
    deeper = place.removeprefix("s3://videos/").replace("a.mp4", "another/a.mp4")
    aws.client.put_object(Bucket="videos", Key=deeper, Body=VIDEO)
    patch(bucket, "list_objects_v2", lambda real, **args: real(**args, MaxKeys=1))
    assert (bucket.listed() or frozenset()) - {""} == {"a.mp4", "b.mp4", "c.mp4"}


def test_an_object_that_arrived_otherwise_than_sent_is_not_called_kept(bucket: Archive, patch: Patch) -> None:
    def put(real: Callable[..., Any], **args: Any) -> Any:
        return real(**args | {"Body": io.BytesIO(VIDEO[:-1])})

    patch(bucket, "put_object", put)
    with pytest.raises(ArchiveError, match="did not arrive") as caught:
        keep(bucket, VIDEO, "a.mp4")
    assert not caught.value.full


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchgen.archive.s3._WHOLE_BYTES", 5 << 20)
    monkeypatch.setattr("batchgen.archive.s3._PART_BYTES", 5 << 20)


@pytest.mark.usefixtures("small_parts")
class TestLarge:
    video = os.urandom(11 << 20)

    def uploads(self, server: S3Server) -> list[Any]:
        return list(server.client.list_multipart_uploads(Bucket="videos").get("Uploads", []))

    def test_a_large_video_goes_in_parts_and_overwrites_nothing(
        self, aws: S3Server, bucket: Archive, tmp_path: Path
    ) -> None:
        [place] = keep(bucket, self.video, "a.mp4")
        head = aws.client.head_object(Bucket="videos", Key=place.removeprefix("s3://videos/"))
        assert head["ETag"].strip('"').endswith("-3")
        assert b"".join(bucket.read(place)) == self.video
        assert keep(bucket, self.video, "a.mp4") == [place]
        assert keep(bucket, self.video[::-1], "a.mp4") != [place]
        assert b"".join(bucket.read(place)) == self.video
        assert (self.uploads(aws), list(tmp_path.iterdir())) == ([], [])

    def test_a_large_video_is_not_sent_where_its_name_is_taken(self, bucket: Archive, patch: Patch) -> None:
        [place] = keep(bucket, self.video, "a.mp4")
        patch(bucket, "create_multipart_upload", lambda real, **args: pytest.fail("sent for nothing"))
        assert keep(bucket, self.video, "a.mp4") == [place]

    @pytest.mark.parametrize("status", [403, 404])
    def test_an_upload_that_is_gone_and_has_left_no_object_is_tried_again(
        self, bucket: Archive, patch: Patch, status: int
    ) -> None:
        patch(bucket, "complete_multipart_upload", refuse("NoSuchUpload", 404))
        patch(bucket, "head_object", refuse(str(status), status, "HeadObject"))
        with pytest.raises(ArchiveError, match="NoSuchUpload") as caught:
            keep(bucket, self.video, "a.mp4")
        assert not caught.value.full

    def test_a_name_that_was_taken_during_the_upload_is_not_overwritten(
        self, aws: S3Server, bucket: Archive, patch: Patch
    ) -> None:
        def complete(real: Callable[..., Any], **args: Any) -> Any:
            if args["Key"].endswith("/a.mp4"):
                aws.client.put_object(Bucket="videos", Key=args["Key"], Body=b"theirs")
            return real(**args)

        patch(bucket, "complete_multipart_upload", complete)
        [place] = keep(bucket, self.video, "a.mp4")
        assert place.endswith(f"/a-{clip_of(self.video).sha256[:8]}.mp4")
        assert b"".join(bucket.read(f"{bucket}/a.mp4")) == b"theirs"
        assert self.uploads(aws) == []

    def test_a_failing_part_aborts_the_upload(
        self, aws: S3Server, bucket: Archive, patch: Patch, tmp_path: Path
    ) -> None:
        def part(real: Callable[..., Any], **args: Any) -> Any:
            if args["PartNumber"] == 2:
                raise answer("SlowDown", 503)
            return real(**args)

        patch(bucket, "upload_part", part)
        with pytest.raises(ArchiveError, match="SlowDown") as caught:
            keep(bucket, self.video, "a.mp4")
        assert not caught.value.full
        assert (self.uploads(aws), list(tmp_path.iterdir())) == ([], [])

    def test_kill_9_during_an_upload_leaves_no_object_and_a_sweep_only_others_uploads(
        self, aws: S3Server, tmp_path: Path
    ) -> None:
        code = """
import os, signal, sys
import batchgen.archive.s3 as s3
from tests.archive.conftest import keep, open_bucket
from pathlib import Path
s3._WHOLE_BYTES = s3._PART_BYTES = 5 << 20
archive = open_bucket(Path(sys.argv[1]), "killed")
real = archive._client.upload_part
def part(**args):
    if args["PartNumber"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(**args)
archive._client.upload_part = part
keep(archive, os.urandom(11 << 20), "a.mp4")
"""
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=False)
        assert killed.returncode == -9
        theirs = aws.client.create_multipart_upload(Bucket="videos", Key="killed/a.mp4.other")
        assert aws.keys("videos", "killed/") == []
        assert len(self.uploads(aws)) == 2
        archive = open_bucket(tmp_path, "killed")
        for _ in range(2):
            archive.sweep()
        [left] = self.uploads(aws)
        assert left["UploadId"] == theirs["UploadId"]
        aws.client.abort_multipart_upload(Bucket="videos", Key="killed/a.mp4.other", UploadId=theirs["UploadId"])
        assert list(tmp_path.iterdir()) == []

    def test_an_unfinished_upload_in_a_bucket_that_is_gone_holds_up_no_later_run(
        self, aws: S3Server, bucket: Archive, tmp_path: Path, patch: Patch
    ) -> None:
        def vanish(real: Callable[..., Any], **args: Any) -> None:
            raise answer("NoSuchBucket", 404)

        for call in ("upload_part", "abort_multipart_upload", "list_multipart_uploads"):
            patch(bucket, call, vanish)
        with pytest.raises(ArchiveError, match="no such bucket"):
            keep(bucket, self.video, "a.mp4")
        [note] = tmp_path.iterdir()
        bucket.sweep()
        assert (note.exists(), len(self.uploads(aws))) == (True, 1)
        open_bucket(tmp_path).sweep()  # the bucket was not gone after all
        assert (note.exists(), self.uploads(aws)) == (False, [])

    def test_a_note_that_a_kill_left_empty_is_swept_away(self, bucket: Archive, tmp_path: Path) -> None:
        (tmp_path / f".{TAG}-0.upload").touch()
        bucket.sweep()
        assert list(tmp_path.iterdir()) == []

    def test_the_sums_that_the_store_made_of_the_parts_are_given_back_to_it(
        self, bucket: Archive, patch: Patch
    ) -> None:
        def complete(real: Callable[..., Any], **args: Any) -> Any:
            parts = args["MultipartUpload"]["Parts"]
            assert [part.pop("ChecksumCRC32") for part in parts] == ["1", "2", "3"]
            return real(**args)

        patch(bucket, "upload_part", lambda real, **args: real(**args) | {"ChecksumCRC32": str(args["PartNumber"])})
        patch(bucket, "complete_multipart_upload", complete)
        keep(bucket, self.video, "a.mp4")


def probe_refused(destination: str, scratch: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        open_archive(destination, tag=TAG, scratch=scratch).probe()
    assert "testsecret123" not in str(caught.value)
    return str(caught.value)


def test_the_probe_says_what_is_wrong_with_bucket_and_credentials(
    aws: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no such bucket" in probe_refused("s3://nosuchbucket/x", tmp_path)
    assert "AWS configuration does not work" in probe_refused("s3://a b/x", tmp_path)
    assert "shorten --to" in probe_refused(f"s3://videos/{'long/' * 205}x", tmp_path)
    assert "videos pass through" in probe_refused("s3://videos/x", tmp_path / "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert "AWS_SECRET_ACCESS_KEY" in probe_refused("s3://videos/x", tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    assert "AWS_ACCESS_KEY_ID" in probe_refused("s3://videos/x", tmp_path)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "credentials" in probe_refused("s3://videos/x", tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "nosuchprofile")
    assert "AWS_PROFILE" in probe_refused("s3://videos/x", tmp_path)


def test_a_store_that_cannot_be_reached_is_said_by_the_probe(
    aws: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # boto's own pauses between its tries
    assert "cannot be reached" in probe_refused("s3://videos/x", tmp_path)


@pytest.mark.parametrize(
    ("code", "status", "full", "words"),
    [
        ("AccessDenied", 403, True, "s3:PutObject"),
        ("ExpiredToken", 400, True, "expired"),
        ("InvalidAccessKeyId", 403, True, "access key"),
        ("SignatureDoesNotMatch", 403, True, "secret key"),
        ("NoSuchBucket", 404, True, "no such bucket"),
        ("PermanentRedirect", 301, True, "AWS_REGION"),
        ("AuthorizationHeaderMalformed", 400, True, "AWS_REGION"),
        ("QuotaExceeded", 403, True, "quota"),
        ("XMinioStorageFull", 507, True, "space"),
        ("RequestTimeTooSkewed", 403, True, "clock"),
        ("400", 400, True, "region"),
        ("SomethingNew\x1b[31m", 418, True, "SomethingNew??31m"),
        ("SlowDown", 503, False, "SlowDown"),
        ("InternalError", 500, False, "500"),
        ("RequestTimeout", 400, False, "RequestTimeout"),
        ("BadDigest", 400, False, "BadDigest"),
        ("429", 429, False, "429"),
    ],
)
def test_each_refusal_says_what_to_do_and_whether_more_would_fare_better(
    code: str, status: int, full: bool, words: str
) -> None:
    error = refusal(answer(code, status), "s3://b/p")
    assert error.full is full
    assert words in str(error)
    assert str(error).startswith("s3://b/p: ")


@pytest.mark.parametrize(
    ("operation", "message", "permission"),
    [
        ("PutObject", "", "s3:PutObject"),
        ("HeadObject", "", "s3:GetObject"),
        ("ListObjectsV2", "", "s3:ListBucket"),
        ("PutObject", "User: x is not authorized to perform: kms:GenerateDataKey on y", "kms:GenerateDataKey"),
    ],
)
def test_what_is_refused_is_named_by_its_permission(operation: str, message: str, permission: str) -> None:
    error = answer("AccessDenied", 403, operation)
    error.response["Error"]["Message"] = message
    assert str(refusal(error, "s3://b/p")).startswith(f"s3://b/p: {permission} is refused; the credentials need")


class Recorder(BaseHTTPRequestHandler):
    """Answers every request with an empty 200, and remembers its headers."""

    seen: list[dict[str, str]]

    def do_PUT(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_PUT  # noqa: N815 - named by http.server

    def log_message(self, *_args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def recorder() -> Iterator[ThreadingHTTPServer]:
    Recorder.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("setting", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "profile"])
def test_other_stores_than_amazon_get_a_signed_body_no_new_checksums_and_no_acl(
    aws: S3Server, recorder: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    url = f"http://127.0.0.1:{recorder.server_port}"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    if setting == "profile":
        (tmp_path / "config").write_text(f"[default]\nendpoint_url = {url}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    else:
        monkeypatch.setenv(setting, url)
    archive = open_bucket(tmp_path)
    archive._has_conditions = True  # type: ignore[attr-defined]
    with pytest.raises(ArchiveError, match="did not arrive"):
        keep(archive, VIDEO, "a.mp4")
    put = Recorder.seen[0]
    assert archive._client.meta.config.s3["payload_signing_enabled"]  # type: ignore[attr-defined]
    assert put["x-amz-content-sha256"] == clip_of(VIDEO).sha256
    assert put["if-none-match"] == "*"
    assert {name for name in put if name.startswith("x-amz-")} == {
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-meta-sha256",
    }


def test_at_amazon_the_store_checks_our_own_checksum(aws: S3Server, bucket: Archive, patch: Patch) -> None:
    bucket._is_amazon = True  # type: ignore[attr-defined]
    assert keep(bucket, VIDEO, "a.mp4") == [f"{bucket}/a.mp4"]
    with bucket.scratch() as file:
        file.write(VIDEO[::-1])  # not what was downloaded
        with pytest.raises(ArchiveError):
            bucket.keep(file, "b.mp4", clip_of(VIDEO))
    assert aws.keys("videos", f"{bucket}/b".removeprefix("s3://videos/")) == []


def test_boto3_is_loaded_for_s3_only(tmp_path: Path) -> None:
    code = f"""
import sys
from batchgen.archive import open_archive
open_archive({str(tmp_path)!r}, tag="t", scratch="/").probe()
print("boto3" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
