"""Two stores for one contract: a folder, and a bucket on a real S3 server."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from batchgen.archive import Archive, open_archive
from batchgen.model import Clip
from tests.s3_server import S3Server

TAG = "batch1"
_prefixes = (f"p{number}" for number in itertools.count())


def clip_of(content: bytes) -> Clip:
    return Clip(len(content), hashlib.sha256(content).hexdigest())


def keep(archive: Archive, content: bytes, *names: str) -> list[str]:
    """Keep one file of this content under each of the names, as the pipeline does."""
    with archive.scratch() as file:
        file.write(content)
        return [archive.keep(file, name, clip_of(content)) for name in names]


@dataclass
class Store:
    """An archive, and ways round it: to look into it, and to put something of others there."""

    archive: Archive
    names: Callable[[], list[str]]
    plant: Callable[[str, bytes], None]
    lose: Callable[[str], None]

    def content(self, place: str) -> bytes:
        return b"".join(self.archive.read(place))


def open_bucket(tmp_path: Path, prefix: str | None = None) -> Archive:
    return open_archive(f"s3://videos/{prefix or next(_prefixes)}", tag=TAG, scratch=tmp_path)


def _disk_store(folder: Path) -> Store:
    archive = open_archive(str(folder), tag=TAG, scratch=folder.parent)

    def plant(name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)

    return Store(
        archive,
        lambda: sorted(path.name for path in folder.iterdir()),
        plant,
        lambda name: (folder / name).unlink(),
    )


def _s3_store(server: S3Server, tmp_path: Path) -> Store:
    prefix = next(_prefixes)
    archive = open_bucket(tmp_path, prefix)

    def plant(name: str, content: bytes) -> None:
        server.client.put_object(Bucket="videos", Key=f"{prefix}/{name}", Body=content)

    def lose(name: str) -> None:
        server.client.delete_object(Bucket="videos", Key=f"{prefix}/{name}")

    def names() -> list[str]:
        return sorted(key.removeprefix(f"{prefix}/") for key in server.keys("videos", prefix + "/"))

    return Store(archive, names, plant, lose)


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        store = _disk_store(tmp_path / "videos")
    else:
        store = _s3_store(request.getfixturevalue("aws"), tmp_path)
    store.archive.probe()
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "videos"


@pytest.fixture
def disk(folder: Path) -> Archive:
    archive = open_archive(str(folder), tag=TAG, scratch=folder.parent)
    archive.probe()
    return archive


def write(file: BinaryIO, content: bytes) -> Clip:
    file.write(content)
    return clip_of(content)
