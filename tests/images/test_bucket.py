"""Uploading images: however many there are, few are held at a time."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from batchgen.errors import ArchiveError, UsageError
from batchgen.images.bucket import AHEAD, ImageBucket
from tests.images.samples import png
from tests.s3_server import S3Server


class Counting(ImageBucket):
    """A bucket of which every other image is there."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def _provide(self, image: str, path: Path | None) -> bool:
        self.seen.append(image)
        if path is None:
            raise UsageError("the image is not known")
        return int(image) % 2 == 0


def test_of_any_number_of_images_few_wait_for_their_turn() -> None:
    bucket = Counting()

    def images() -> Iterator[str]:
        for number in range(4 * AHEAD):
            assert number - len(bucket.seen) < AHEAD
            yield str(number)

    assert bucket.provide(images(), Path) == 2 * AHEAD
    assert len(set(bucket.seen)) == 4 * AHEAD


def test_after_one_that_is_not_known_no_more_are_begun() -> None:
    bucket = Counting()
    with pytest.raises(UsageError, match="not known"):
        bucket.provide(map(str, range(5 * AHEAD)), lambda name: None if name == "3" else Path(name))
    assert len(bucket.seen) <= AHEAD


NAME = f"{sha256(png()).hexdigest()}.png"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fox.png"
    path.write_bytes(png())
    return path


def test_an_image_has_its_type_and_is_uploaded_once(aws: S3Server, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = ImageBucket(f"s3://{aws.make_bucket('pictures')}")
    put, sent = bucket._client.put_object, dict[str, Any]()

    def note(**what: Any) -> Any:
        sent.update(what)
        return put(**what)

    monkeypatch.setattr(bucket._client, "put_object", note)
    assert [bucket.provide([f"sha256:{NAME}"], lambda image: file) for _ in range(2)] == [1, 0]
    assert (sent["Key"], sent["ContentType"]) == (NAME, "image/png")
    assert aws.client.get_object(Bucket="pictures", Key=NAME)["Body"].read() == png()


@pytest.mark.parametrize("status", [403, 503])
def test_an_image_is_uploaded_by_those_who_may_not_list_and_not_where_the_store_does_not_answer(
    aws: S3Server, file: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    bucket = ImageBucket(f"s3://videos/hidden{status}")
    client: Any = bucket._client
    look, put = client.head_object, client.put_object
    uploaded: list[str] = []

    def hide(**where: str) -> Any:
        if not uploaded:
            raise ClientError({"ResponseMetadata": {"HTTPStatusCode": status}}, "HeadObject")
        return look(**where)

    def note(**what: Any) -> Any:
        uploaded.append(what["Key"])
        return put(**what)

    monkeypatch.setattr(client, "head_object", hide)
    monkeypatch.setattr(client, "put_object", note)
    if status == 403:
        assert bucket.provide([f"sha256:{NAME}"], lambda image: file) == 1
    else:
        with pytest.raises(ArchiveError, match="503"):
            bucket.provide([f"sha256:{NAME}"], lambda image: file)
        assert uploaded == []


def test_an_image_whose_file_is_not_what_the_sheet_was_read_with_is_not_uploaded(aws: S3Server, file: Path) -> None:
    bucket = ImageBucket("s3://videos/changed")
    with pytest.raises(UsageError, match="no file of the manifest has it"):
        bucket.provide([f"sha256:{NAME}"], lambda image: None)
    file.write_bytes(png(9))
    with pytest.raises(UsageError, match="has changed while it was read"):
        bucket.provide([f"sha256:{NAME}"], lambda image: file)
    file.unlink()
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        bucket.provide([f"sha256:{NAME}"], lambda image: file)
    assert aws.keys("videos", "changed/") == []
