"""Files of our own: for their owner alone, whole or not there at all, and never in the place of another."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import platformdirs

_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF})


def opener(path: str, flags: int) -> int:
    """Open for :func:`open`: mode 0600 whatever the umask, handed to no child, and never through a symbolic link."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def is_at(path: str | Path, file: os.stat_result) -> bool:
    """Whether a file is still what stands there, and no link to it: somebody may move it, remove it, or replace it."""
    try:
        return os.path.samestat(os.lstat(path), file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # which proves nothing
        return True


def sync_folder(path: Path) -> None:
    """See that the names in a folder are on the disk, where its file system can do that."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(folder)


def user_file(name: str) -> Path:
    """The file of this name that is kept for a user, over all batches; where there is no home, one that cannot be."""
    try:
        return Path(platformdirs.user_data_dir("batchgen")) / name
    except RuntimeError:  # neither HOME nor an entry among the users, as in a container
        return Path(os.devnull) / name


def free_name(path: Path, word: str) -> Path:
    """A name beside ``path`` that nothing has: ``a.word.csv`` for ``a.csv``, or else ``a.word-2.csv`` and so on."""
    free, number = path.with_name(f"{path.stem}.{word}{path.suffix}"), 2
    while os.path.lexists(free):
        free = path.with_name(f"{path.stem}.{word}-{number}{path.suffix}")
        number += 1
    return free


@contextmanager
def replacing(
    path: Path, mode: str = "w", *, shared: bool = False, permissions: int = 0o600, **options: Any
) -> Iterator[IO[Any]]:
    """A file to write, which takes the place of ``path`` when it is whole and on the disk; not if the block raises.

    ``shared``: another process may do the same at this moment. ``options`` are those of :func:`open`.
    """
    mark = f".{secrets.token_hex(4)}" if shared else ""  # else what a kill leaves is overwritten
    part = path.with_name(f".{path.name}{mark}.part")
    try:
        with open(part, mode, opener=opener, **options) as file:
            os.fchmod(file.fileno(), permissions)
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
