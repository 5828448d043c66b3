"""One run a batch, whatever happens to the file that stands for it."""

import errno
import fcntl
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from batchgen.errors import BatchBusyError, UsageError
from batchgen.folder.lock import Lock, holder


def test_a_lock_that_is_held_names_its_holder_and_is_free_afterwards(tmp_path: Path) -> None:
    with Lock(tmp_path), pytest.raises(BatchBusyError, match=rf"process {os.getpid()}, started 20\d\d-"):
        Lock(tmp_path).__enter__()
    with Lock(tmp_path):
        pass


def test_who_only_looks_holds_up_neither_a_run_nor_another_who_looks(tmp_path: Path) -> None:
    with Lock(tmp_path):
        pass
    looking = os.open(tmp_path / ".lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert holder(tmp_path) is None
    gone = threading.Timer(0.02, os.close, (looking,))
    gone.start()
    with Lock(tmp_path):
        gone.join()


def test_a_file_that_was_taken_away_before_it_was_locked_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".lock"
    plain = os.open
    opened: list[int] = []

    def open_and_lose(*arguments: int | str, **more: int) -> int:
        file = plain(*arguments, **more)  # type: ignore[arg-type]
        if not opened:
            path.unlink()  # by a run whose manifest was refused
        opened.append(file)
        return file

    monkeypatch.setattr("os.open", open_and_lose)
    with Lock(tmp_path), pytest.raises(BatchBusyError):
        Lock(tmp_path).__enter__()
    assert len(opened) == 3


def test_a_folder_that_cannot_be_written_is_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written: Not a directory"):
        Lock(tmp_path / "file").__enter__()


def test_a_file_system_that_knows_no_locks_is_told_and_nobody_holds_a_batch_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(UsageError, match=f"{tmp_path} cannot be locked: No locks available; choose another"):
        Lock(tmp_path).__enter__()
    assert holder(tmp_path) is None


def locker(folder: Path) -> tuple[int, int]:
    """A process that takes the lock and keeps it; what it comes to is read from the pipe, H or B."""
    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            Lock(folder).__enter__()
            os.write(mouth, b"H")
            time.sleep(60)
        except BatchBusyError:
            os.write(mouth, b"B")
        finally:
            os._exit(0)
    os.close(mouth)
    return child, ear


def test_of_two_that_start_at_once_one_has_it_and_a_kill_frees_it(tmp_path: Path) -> None:
    for _ in range(10):
        both = [locker(tmp_path) for _ in range(2)]
        words = sorted(os.read(ear, 1) for _, ear in both)
        for child, ear in both:
            os.close(ear)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        assert words == [b"B", b"H"]
