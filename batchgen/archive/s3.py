"""Videos in an S3 bucket, at Amazon or elsewhere; nothing of them stays on the local disk after any crash."""

import base64
import hashlib
import json
import logging
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from batchgen.archive import READ_BYTES, MissingError, names
from batchgen.errors import ArchiveError
from batchgen.model import Clip
from batchgen.s3.client import connect, split
from batchgen.s3.refusals import code_of, explained, status_of

_WHOLE_BYTES = 64 << 20  # up to here in one request: a crash leaves nothing behind
_PART_BYTES = 16 << 20
_MOST_KEY_BYTES = 1024
_NO_CONDITIONS = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "501"})
_TAKEN = frozenset({"PreconditionFailed", "412", "NoSuchUpload"})  # the last: a repeated Complete, both times heard

log = logging.getLogger("batchgen")


class S3Archive:
    """Videos under a prefix of a bucket, each with its SHA-256 as metadata (``sha256``, hex); never an ACL.

    Credentials, region, profile and endpoint are those of the standard AWS configuration.
    """

    def __init__(self, destination: str, *, tag: str, scratch: Path, connections: int) -> None:
        self._bucket, self._prefix = split(destination)
        self._tag = tag
        self._scratch = scratch
        self._has_conditions = False  # the store honours If-None-Match, as the probe has seen: else we look first
        with self._refusals():
            self._client, self._is_amazon = connect(connections)

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def probe(self) -> None:
        """Write, read back and remove an object; learn on the way whether the store honours If-None-Match."""
        text = secrets.token_bytes(4096)
        key = self._key(f".{self._tag}.probe")
        with self.scratch() as file:
            file.write(text)
        with self._refusals():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=text)
            self._has_conditions = self._refuses_to_overwrite(key, text)
            came = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            self._head(key)
            self._client.delete_object(Bucket=self._bucket, Key=key)
        if came != text:
            raise ArchiveError(f"{self}: what is written does not come back; choose another destination")

    def _refuses_to_overwrite(self, key: str, text: bytes) -> bool:
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=text, IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) in _TAKEN:
                return True
            if code_of(error) not in _NO_CONDITIONS:
                raise
        return False

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        """Give a local file that has no name, so that not even kill -9 leaves it behind."""
        with self._refusals(), tempfile.TemporaryFile(dir=self._scratch) as file:
            yield file

    def keep(self, file: BinaryIO, name: str, clip: Clip) -> str:
        """Upload the file under the first of its names that is free, and see that it arrived."""
        if file.seek(0, 2) != clip.bytes:
            raise ArchiveError(f"{self}: {name} does not have the {clip.bytes:,} bytes that were downloaded")
        with self._refusals():
            for candidate in names(name, clip.sha256):
                if self._claim(file, self._key(candidate), clip):
                    return self.place(candidate)
        raise ArchiveError(f"{self}: {name} and its other names are taken by other objects; move them away")

    def place(self, name: str) -> str:
        """Return the address of an object under the prefix."""
        return f"s3://{self._bucket}/{self._key(name)}"

    def has(self, name: str) -> bool:
        """Ask for the object's facts."""
        with self._refusals():
            return self._head(self._key(name), may_be_hidden=self._has_conditions) is not None

    def holds(self, name: str, clip: Clip) -> bool:
        """Ask for the object's facts; one that does not say its SHA-256, as a person uploads it, is read."""
        with self._refusals():
            held = self._head(self._key(name), may_be_hidden=True)
            return _is(held, clip) or (held is not None and self._holds(self._key(name), held, clip))

    def listed(self) -> frozenset[str] | None:
        """List the prefix, a thousand names a request; None without s3:ListBucket."""
        start = f"{self._prefix}/" if self._prefix else ""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start, Delimiter="/")
        with self._refusals():
            try:
                return frozenset(held["Key"].removeprefix(start) for page in pages for held in page.get("Contents", ()))
            except ClientError:
                return None

    def _claim(self, file: BinaryIO, key: str, clip: Clip) -> bool:
        """Say whether ``key`` now holds the clip: by this call, or by one before a crash or a lost answer."""
        is_large = clip.bytes > _WHOLE_BYTES  # then a refusal would come last; and Ceph 16 overwrites all the same
        if is_large or not self._has_conditions:
            held = self._head(key, may_be_hidden=self._has_conditions)
            if held is not None:
                return self._holds(key, held, clip)
        try:
            self._upload(file, key, clip)
        except ClientError as error:
            if code_of(error) not in _TAKEN:
                raise
            held = self._head(key, may_be_hidden=status_of(error) != 412)
            if held is None:
                raise
            return self._holds(key, held, clip)
        if not _is(self._head(key), clip):
            raise ArchiveError(f"{self}: {key} did not arrive as it was sent; it is tried again")
        return True

    def _holds(self, key: str, held: dict[str, Any], clip: Clip) -> bool:
        """Say whether an object that was there is the clip; what it says of itself may have outlived its content."""
        if held.get("ContentLength") != clip.bytes:
            return False
        digest = hashlib.sha256()
        for piece in self.read(f"s3://{self._bucket}/{key}"):
            digest.update(piece)
        return digest.hexdigest() == clip.sha256

    def _head(self, key: str, *, may_be_hidden: bool = False) -> dict[str, Any] | None:
        """Return the facts of the object; None if there is none.

        ``may_be_hidden``: a 403 says so too, as those hear it who may not list the bucket. Where one is there, or would
        be overwritten, it says that it may not be looked at.
        """
        try:
            return dict(self._client.head_object(Bucket=self._bucket, Key=key))
        except ClientError as error:
            if status_of(error) == 404 or (may_be_hidden and status_of(error) == 403):
                return None
            raise

    def _upload(self, file: BinaryIO, key: str, clip: Clip) -> None:
        """Upload so that nothing is overwritten; where the store cannot do that, the name was looked up before."""
        about = {"ContentType": "video/mp4", "Metadata": {"sha256": clip.sha256}}
        condition = {"IfNoneMatch": "*"} if self._has_conditions else {}
        file.seek(0)
        if clip.bytes > _WHOLE_BYTES:
            self._upload_in_parts(file, key, about, condition)
            return
        if self._is_amazon:  # which checks our own sum, of what was downloaded, against what arrives
            about["ChecksumSHA256"] = base64.b64encode(bytes.fromhex(clip.sha256)).decode()
        self._client.put_object(Bucket=self._bucket, Key=key, Body=file, **about, **condition)

    def _upload_in_parts(self, file: BinaryIO, key: str, about: dict[str, Any], condition: dict[str, str]) -> None:
        target = {"Bucket": self._bucket, "Key": key}
        with self._noted(key) as note:
            target["UploadId"] = self._client.create_multipart_upload(**target, **about)["UploadId"]
            try:
                pieces = iter(lambda: file.read(_PART_BYTES), b"")
                parts = [self._upload_part(target, number, piece) for number, piece in enumerate(pieces, 1)]
                self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts}, **condition)
            except BaseException:
                with suppress(BotoCoreError, ClientError):  # the first error counts; the note leads sweep here
                    self._client.abort_multipart_upload(**target)
                    note.unlink()
                raise

    def _upload_part(self, target: dict[str, Any], number: int, piece: bytes) -> dict[str, Any]:
        answer = self._client.upload_part(**target, PartNumber=number, Body=piece)
        sums = {name: value for name, value in answer.items() if name == "ChecksumCRC32"}
        return {"PartNumber": number, "ETag": answer["ETag"], **sums}

    @contextmanager
    def _noted(self, key: str) -> Iterator[Path]:
        """Leave a note of the upload for as long as it lasts: no store tells whose its unfinished uploads are."""
        note = self._scratch / f".{self._tag}-{secrets.token_hex(8)}.upload"
        note.touch(mode=0o600, exist_ok=False)
        note.write_text(json.dumps({"bucket": self._bucket, "key": key}))
        yield note
        note.unlink()

    def read(self, place: str) -> Iterator[bytes]:
        """Yield the object at ``s3://bucket/key``."""
        bucket, key = split(place)
        with self._refusals():
            try:
                body = self._client.get_object(Bucket=bucket, Key=key)["Body"]
            except ClientError as error:
                if status_of(error) == 404 and code_of(error) != "NoSuchBucket":
                    raise MissingError(f"{place} is missing") from None
                if code_of(error) == "AccessDenied":
                    gone = "without s3:ListBucket, one that is gone is refused as well"
                    raise ArchiveError(f"{refusal(error, place)}; {gone}") from None
                raise
            with body:
                yield from body.iter_chunks(READ_BYTES)

    def sweep(self) -> None:
        """Abort the unfinished uploads that this batch's notes tell of; what cannot be aborted now holds up no run."""
        with self._refusals():
            for note in list(self._scratch.glob(f".{self._tag}-*.upload")):
                self._abort_noted(note)

    def _abort_noted(self, note: Path) -> None:
        with suppress(ValueError):  # killed while it was written: nothing was begun yet
            target = json.loads(note.read_text())
            try:
                self._abort(target["bucket"], target["key"])
            except (BotoCoreError, ClientError) as error:  # of a bucket that may be gone, or another's by now
                reason = explained(error, f"s3://{target['bucket']}/{target['key']}")[0]
                log.warning("an unfinished upload was not removed", extra={"reason": reason})
                return
        note.unlink(missing_ok=True)

    def _abort(self, bucket: str, key: str) -> None:
        """Abort the unfinished uploads of an object."""
        for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key):
            for upload in page.get("Uploads", []):
                if upload["Key"] == key:
                    self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])

    def free_bytes(self) -> int | None:
        """Return None: a bucket has no such limit."""
        return None

    def _key(self, name: str) -> str:
        key = f"{self._prefix}/{name}" if self._prefix else name
        if len(key.encode()) > _MOST_KEY_BYTES:
            raise ArchiveError(f"{self}: {name} makes a key of more than {_MOST_KEY_BYTES:,} bytes; shorten --to")
        return key

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what boto3 and the local disk say into ArchiveError; no asyncio timeout (an OSError, no errno)."""
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise refusal(error, str(self)) from None
        except OSError as error:
            if error.errno is None:
                raise
            text = f"cannot write to {self._scratch}, where videos pass through: {error.strerror}"
            raise ArchiveError(text, full=True) from None


def _is(held: dict[str, Any] | None, clip: Clip) -> bool:
    if held is None:
        return False
    marks = {name.lower(): value for name, value in held.get("Metadata", {}).items()}
    return held.get("ContentLength") == clip.bytes and marks.get("sha256") == clip.sha256


def refusal(error: BotoCoreError | ClientError, where: str) -> ArchiveError:
    """What the store or boto3 said, as an error of the archive's."""
    text, lasts = explained(error, where)
    return ArchiveError(text, full=lasts)
