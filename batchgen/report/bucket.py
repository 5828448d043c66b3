"""Videos that lie on S3, to be looked at: links signed at this moment, and single pieces of an object."""

import io
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import cached_property, lru_cache
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from batchgen.errors import ArchiveError

LINK_SECONDS = 3600
PIECE_BYTES = 1 << 18  # the index of a video and its first frame are seldom more than two


class Buckets:
    """S3 with the credentials of the standard AWS configuration. Threads may share it."""

    @cached_property
    def _client(self) -> Any:
        from batchgen.s3.client import connect  # boto3 takes 0.2 s, and is not needed for a batch on this machine

        return connect(0, signature_version="s3v4", read_timeout=30)[0]

    def sign(self, place: str) -> str:
        """A link to what is kept at ``place``, valid for an hour: for the browser alone, and never written down.

        Raises :class:`ArchiveError`, most of the time because there are no credentials.
        """
        bucket, key = _split(place)
        what = {"Bucket": bucket, "Key": key, "ResponseContentType": "video/mp4"}
        with _refusals(f"a link to s3://{bucket}"):
            return str(self._client.generate_presigned_url("get_object", Params=what, ExpiresIn=LINK_SECONDS))

    def origins(self, places: Iterable[str]) -> list[str]:
        """The web origins of such links: those from which the page may play videos. Without credentials, none."""
        buckets = {_split(place)[0]: place for place in places if place.startswith("s3://")}
        try:
            links = [urlsplit(self.sign(place)) for place in buckets.values()]
        except ArchiveError:
            return []
        return sorted({f"{link.scheme}://{link.netloc}" for link in links})

    def open(self, place: str) -> BinaryIO:
        """The object as a file of which only what is read is fetched. Raises :class:`ArchiveError`."""
        with _refusals(place):
            return cast(BinaryIO, _Pieces(self._client, *_split(place)))


class _Pieces(io.RawIOBase):
    """An object, fetched piece by piece."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self._size = int(client.head_object(Bucket=bucket, Key=key)["ContentLength"])
        self._position = 0
        self._piece = lru_cache(8)(self._fetch)

    def _fetch(self, number: int) -> bytes:
        first = number * PIECE_BYTES
        piece = f"bytes={first}-{min(first + PIECE_BYTES, self._size) - 1}"
        return bytes(self._client.get_object(Bucket=self._bucket, Key=self._key, Range=piece)["Body"].read())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        if self._position >= self._size:
            return 0
        number, offset = divmod(self._position, PIECE_BYTES)
        found = self._piece(number)[offset : offset + len(buffer)]
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)


def _refusals(where: str) -> AbstractContextManager[None]:
    from batchgen.s3.refusals import refusals

    return refusals(ArchiveError, where)


def _split(place: str) -> tuple[str, str]:
    bucket, _, key = place.removeprefix("s3://").partition("/")
    return bucket, key
