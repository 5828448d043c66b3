"""Images in an S3 bucket: uploaded once, by their content, and given out as links that are signed when sent."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

from botocore.exceptions import ClientError

from batchgen.errors import ArchiveError, UsageError
from batchgen.images.formats import TYPES
from batchgen.s3.client import connect, split
from batchgen.s3.refusals import refusals, status_of

# The link is made when its task is asked for, so it has to outlive the service's own queue alone. SigV4 allows 7 days.
LINK_SECONDS = 86_400
AT_ONCE = 8
AHEAD = 1000  # images that wait for their turn: each is a future


class ImageBucket:
    """The images below ``s3://bucket/prefix``. Threads may share it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._bucket, self._prefix = split(address)
        with self._refusals():
            self._client, _ = connect(AT_ONCE, signature_version="s3v4")

    def provide(self, images: Iterable[str], path_of: Callable[[str], Path | None]) -> int:
        """Upload those that are not there; returns how many that were. Few of them are held at a time.

        Raises :class:`UsageError` for one whose file is not known, or has changed, and :class:`ArchiveError`.
        """
        left, uploaded = iter(images), 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while some := tuple(islice(left, AHEAD)):
                uploaded += sum(pool.map(lambda image: self._provide(image, path_of(image)), some))
        return uploaded

    def _provide(self, image: str, path: Path | None) -> bool:
        if self._has(image):
            return False
        if path is None:
            raise UsageError(f"the image {image} is not below {self._address}, and no file of the manifest has it")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() not in image:
            raise UsageError(f"{path} has changed while it was read: run again")
        with self._refusals():
            self._client.put_object(
                Bucket=self._bucket, Key=self._key(image), Body=content, ContentType=TYPES[image.rpartition(".")[2]]
            )
            self._client.head_object(Bucket=self._bucket, Key=self._key(image))  # its link may do what we may
        return True

    def _has(self, image: str) -> bool:
        with self._refusals():
            try:
                held = self._client.head_object(Bucket=self._bucket, Key=self._key(image))
            except ClientError as error:
                if status_of(error) in (403, 404):  # 403: none there, for those who may not list the bucket
                    return False
                raise
        return bool(held["ContentLength"])  # some stores keep an object without a byte of an upload that broke off

    def sign(self, image: str) -> str:
        """A link to the image: to be sent now, and never to be written down."""
        what = {"Bucket": self._bucket, "Key": self._key(image)}
        with self._refusals():
            return str(self._client.generate_presigned_url("get_object", Params=what, ExpiresIn=LINK_SECONDS))

    def _key(self, image: str) -> str:
        name = image.removeprefix("sha256:")
        return f"{self._prefix}/{name}" if self._prefix else name

    def _refusals(self) -> AbstractContextManager[None]:
        return refusals(ArchiveError, self._address, "--images-to")
