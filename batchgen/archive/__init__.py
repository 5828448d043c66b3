"""Where finished videos are kept: one protocol, and a store in each file (``disk``, ``s3``)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Protocol

from batchgen.errors import ArchiveError, UsageError
from batchgen.model import Clip

READ_BYTES = 1 << 20


class MissingError(ArchiveError):
    """The archive answers, but what was kept is not there (to be told apart from one that does not answer)."""


class UnreadableError(ArchiveError):
    """What was kept is there and cannot be read, though others next to it may be."""


class Archive(Protocol):
    """A store of videos. Its methods block and may be called by many threads at once; all raise ArchiveError.

    ``str()`` of it says to a person where the videos are.
    """

    def probe(self) -> None:
        """Prove that a video can be written, read back and removed: before anything is kept."""

    def scratch(self) -> AbstractContextManager[BinaryIO]:
        """Give a new file to write a video to, which is gone afterwards unless it was kept.

        An OSError with an errno that leaves its block is raised as ArchiveError: the disk is full, not the link bad.
        """

    def keep(self, file: BinaryIO, name: str, clip: Clip) -> str:
        """Give the finished ``file`` of :meth:`scratch` its final name, and return the place it is read from.

        Nothing is ever overwritten: where ``name`` is taken by other content, a part of the checksum is added to
        it; where it is taken by the same, that is used. Called again for the same file, it makes another copy.
        """

    def place(self, name: str) -> str:
        """Return the place that a file of that name has here, whether there is one or not."""

    def has(self, name: str) -> bool:
        """Say whether a file of that name is here, whatever it holds."""

    def holds(self, name: str, clip: Clip) -> bool:
        """Say whether a file of that name is here, with this content."""

    def listed(self) -> frozenset[str] | None:
        """Return the names of all files that are here; None where they cannot be listed."""

    def read(self, place: str) -> Iterator[bytes]:
        """Yield what was kept at ``place``, in pieces of 1 MiB.

        Raises MissingError if nothing is there, UnreadableError if it is this one alone that cannot be read.
        """

    def sweep(self) -> None:
        """Remove what crashed runs of this batch left unfinished; no run may be at work."""

    def free_bytes(self) -> int | None:
        """Return the space that is left for videos; None where there is no such limit."""


def open_archive(
    destination: str, *, tag: str, scratch: str | PathLike[str], home: Path | None = None, connections: int = 16
) -> Archive:
    """Choose the store of a ``destination``: a folder, or ``s3://bucket/prefix``. Nothing is created or asked yet.

    ``tag`` (letters, digits and _) marks the unfinished files of this batch, and must be no other batch's;
    ``scratch`` is the local folder where videos pass through on their way to S3; ``home`` is what the places of
    local videos are relative to (None: the destination); ``connections`` is how many threads will use the archive.
    Raises UsageError for a destination of another kind.
    """
    if not tag.replace("_", "").isalnum() or not tag.isascii():
        raise ValueError(f"a tag of letters, digits and _ only, not {tag!r}")
    if destination.startswith("s3://"):
        from batchgen.archive.s3 import S3Archive  # boto3 takes 0.2 s to load

        return S3Archive(destination, tag=tag, scratch=Path(scratch), connections=connections)
    if "://" in destination or not destination.strip():
        raise UsageError(f"--to {destination!r}: give a folder, or s3://bucket/prefix")
    from batchgen.archive.disk import DiskArchive

    folder = Path(destination)
    return DiskArchive(folder, tag=tag, home=home or folder)


def names(name: str, sha256: str) -> tuple[str, ...]:
    """Return the names to try in turn for a file; raises ArchiveError for one that would not stay in its folder."""
    stem, dot, suffix = name.rpartition(".")
    if not name.isprintable() or "/" in name or "\\" in name or name.startswith(".") or not stem:
        raise ArchiveError(f"{name!r} is not a safe name for a video")
    return name, *(f"{stem}-{sha256[:size]}{dot}{suffix}" for size in (8, 16))
