"""Videos in a local folder: a file under its final name is complete and durable, whatever crashed when."""

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import disk_usage
from typing import BinaryIO

from batchgen.archive import READ_BYTES, MissingError, UnreadableError, names
from batchgen.errors import ArchiveError
from batchgen.model import Clip
from batchgen.system import private

_READERS = stat.S_IRGRP | stat.S_IROTH
_ADVICE = {
    errno.ENOSPC: "no space is left on its disk; free some, or choose another folder with --to",
    errno.EDQUOT: "your quota on its disk is used up; free some space, or choose another folder with --to",
    errno.EFBIG: "files of this size are not allowed here; raise the limit (ulimit -f), or choose another folder",
    errno.EROFS: "its file system is read-only; mount it for writing, or choose another folder with --to",
    errno.EACCES: "writing to it is not permitted; change its permissions, or choose another folder with --to",
    errno.EPERM: "writing to it is not permitted; change its permissions, or choose another folder with --to",
    errno.ENOENT: "the folder is gone; bring it back (is a disk no longer mounted?), and run again",
    errno.ENOTDIR: "it is not a folder; choose another with --to",
    errno.EIO: "its disk reports errors; check the disk, or choose another folder with --to",
}
# Another file, or the same a little later, may well fare better.
_PASSING = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EINTR, errno.EAGAIN, errno.EBUSY, errno.EEXIST, errno.ENAMETOOLONG}
    | {errno.EILSEQ, errno.EINVAL, errno.ELOOP, errno.ESTALE, errno.ETIMEDOUT, errno.ENOMEM}
)
# What says that a file cannot be read, and nothing of those beside it.
_OF_ONE_FILE = frozenset(
    {errno.EIO, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.ENODEV}
)


class DiskArchive:
    """Videos in ``folder``; its unfinished files are ``.{tag}-{random}.part``, beside the videos.

    Places are paths relative to ``home``, or absolute where the folder is not within.
    """

    def __init__(self, folder: Path, *, tag: str, home: Path) -> None:
        self._folder = folder
        self._home = home
        self._tag = tag
        self._places = _relative(folder.absolute(), home.absolute())
        self._leftover = re.compile(rf"\.{re.escape(tag)}-[0-9a-f]{{16}}\.part")

    def __str__(self) -> str:
        return str(self._folder)

    def probe(self) -> None:
        """Create the folder (its parent must be there), then write, read back and remove a file in it."""
        text = secrets.token_bytes(4096)
        with self._refusals():
            self._make_folder()
            with self.scratch() as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                if file.read() != text:
                    raise ArchiveError(f"{self}: what is written does not come back; choose another folder")

    def _make_folder(self) -> None:
        if self._folder.is_dir():
            return
        if os.path.lexists(self._folder):
            raise ArchiveError(f"{self} is not a folder; choose another with --to")
        if not self._folder.parent.is_dir():
            raise ArchiveError(
                f"{self}: there is no folder {self._folder.parent}; create it, or correct --to "
                "(it is not created for you: a disk may not be mounted)"
            )
        self._folder.mkdir(mode=0o700)
        private.sync_folder(self._folder.parent)

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        """Give a new file beside the videos; see :class:`batchgen.archive.Archive`."""
        with self._refusals():
            path = os.path.join(self._folder, f".{self._tag}-{secrets.token_hex(8)}.part")
            file = open(path, "x+b", opener=private.opener)  # noqa: SIM115 - closed below, whatever happened to it
            try:
                yield file
            finally:
                with suppress(OSError):
                    os.unlink(path)
                with suppress(OSError):  # what could not be written was said already
                    file.close()

    def keep(self, file: BinaryIO, name: str, clip: Clip) -> str:
        """Fsync, link to the final name, unlink the temporary one, fsync the folder."""
        tried = names(name, clip.sha256)
        with self._refusals():
            file.flush()
            facts = os.fstat(file.fileno())
            if not private.is_at(file.name, facts):  # kept before: links would let two videos change as one
                return self._keep_copy(file, name, clip)
            if facts.st_size != clip.bytes:
                raise ArchiveError(f"{self}: {name} does not have the {clip.bytes:,} bytes that were downloaded")
            if others := os.stat(self._folder).st_mode & _READERS:  # who may read the folder may read what is in it
                os.fchmod(file.fileno(), 0o600 | others)
            os.fsync(file.fileno())
            for candidate in tried:
                if self._put(file.name, os.path.join(self._folder, candidate), clip):
                    return self.place(candidate)
        raise ArchiveError(f"{self}: {name} and its other names are taken by other files; move them away")

    def place(self, name: str) -> str:
        """Return the path of a file in the folder, as the ledger writes it."""
        return os.path.join(self._places, name)

    def has(self, name: str) -> bool:
        """Look for the name alone."""
        return os.path.lexists(os.path.join(self._folder, name))

    def holds(self, name: str, clip: Clip) -> bool:
        """Read the file of that name and compare."""
        return _holds(os.path.join(self._folder, name), clip)

    def listed(self) -> frozenset[str] | None:
        """List the folder."""
        try:
            return frozenset(os.listdir(self._folder))
        except OSError:
            return None

    def _keep_copy(self, file: BinaryIO, name: str, clip: Clip) -> str:
        with self.scratch() as copy:
            digest = hashlib.sha256()
            file.seek(0)
            while piece := file.read(READ_BYTES):
                digest.update(piece)
                copy.write(piece)
            if digest.hexdigest() != clip.sha256:
                raise ArchiveError(f"{self}: the video to copy to {name} has changed since it was downloaded")
            return self.keep(copy, name, clip)

    def _put(self, part: str, final: str, clip: Clip) -> bool:
        """Say whether ``final`` now holds the clip: by this call, or by one before a crash."""
        if not _link(part, final) and not _holds(final, clip):
            return False
        with suppress(FileNotFoundError):
            os.unlink(part)
        private.sync_folder(self._folder)
        return True

    def read(self, place: str) -> Iterator[bytes]:
        """Yield the file of that name; a symbolic link is not followed."""
        path = self._home / place
        try:
            with open(path, "rb", opener=_open_to_read) as file:
                while piece := file.read(READ_BYTES):
                    yield piece
        except FileNotFoundError:
            raise MissingError(f"{path} is missing") from None
        except OSError as error:
            kind = UnreadableError if error.errno in _OF_ONE_FILE else ArchiveError
            raise kind(f"{path} cannot be read: {error.strerror}") from None

    def sweep(self) -> None:
        """Remove the ``.part`` files of this batch."""
        with self._refusals():
            for path in list(self._folder.iterdir()):
                if self._leftover.fullmatch(path.name):
                    path.unlink(missing_ok=True)

    def free_bytes(self) -> int | None:
        """Return what an ordinary user may still write to the disk of the folder, created or not."""
        with self._refusals():
            return disk_usage(self._folder if self._folder.exists() else self._folder.parent).free

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what the file system says into ArchiveError, but no asyncio timeout (an OSError without errno)."""
        try:
            yield
        except OSError as error:
            if error.errno is None:
                raise
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> ArchiveError:
        advice = _ADVICE.get(error.errno or 0) or error.strerror or type(error).__name__
        return ArchiveError(f"cannot write to {self}: {advice}", full=error.errno not in _PASSING)


def _relative(folder: Path, home: Path) -> str:
    """What stands before the names of a folder's files, seen from ``home``."""
    if folder == home:
        return ""
    return str(folder.relative_to(home) if folder.is_relative_to(home) else folder)


def _open_to_read(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _link(part: str, final: str) -> bool:
    """Give ``part`` the name ``final`` as well; False if that exists, in any form, and never over it."""
    try:
        os.link(part, final)
    except FileExistsError:
        return False
    except OSError:  # there are no hard links (FAT, many network and FUSE file systems), or too many
        if os.path.lexists(final):
            return False
        os.rename(part, final)
    return True


def _holds(path: str, clip: Clip) -> bool:
    """Say whether ``path`` is a file (no link to one, no pipe) with exactly the clip's bytes."""
    try:
        with open(path, "rb", opener=_open_to_read) as file:
            if os.fstat(file.fileno()).st_size != clip.bytes:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == clip.sha256
    except OSError:
        return False
