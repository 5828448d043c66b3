"""The folder: durable in the right order, proof against crashes, links and full disks."""

import errno
import hashlib
import io
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchgen.archive import Archive, UnreadableError, open_archive
from batchgen.errors import ArchiveError, DownloadError
from tests.archive.conftest import TAG, clip_of, keep

VIDEO = bytes(range(256)) * 400


def test_the_file_is_durable_before_it_has_its_name_and_the_name_before_it_is_told(
    disk: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    spy(monkeypatch, "fsync", events, lambda fd: "fsync " + Path(os.readlink(f"/proc/self/fd/{fd}")).suffix)
    spy(monkeypatch, "link", events, lambda part, final: f"link {Path(final).name}")
    spy(monkeypatch, "unlink", events, lambda path, **_: "unlink " + Path(path).suffix)
    with disk.scratch() as file:
        file.write(VIDEO)
        disk.keep(file, "a.mp4", clip_of(VIDEO))
        assert events == ["fsync .part", "link a.mp4", "unlink .part", "fsync "]
        events.clear()
        disk.keep(file, "b.mp4", clip_of(VIDEO))
        assert events == ["fsync .part", "link b.mp4", "unlink .part", "fsync "]
    assert (folder / "a.mp4").stat().st_ino != (folder / "b.mp4").stat().st_ino


def spy(patch: pytest.MonkeyPatch, name: str, events: list[str], tell: Callable[..., str]) -> None:
    real = getattr(os, name)

    def spied(*args: Any, **options: Any) -> Any:
        told = tell(*args, **options)
        result = real(*args, **options)
        events.append(told)
        return result

    patch.setattr(os, name, spied)


def test_what_is_written_is_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        archive = open_archive(str(tmp_path / "new"), tag=TAG, scratch=tmp_path)
        archive.probe()
        keep(archive, VIDEO, "a.mp4", "b.mp4")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()} == {0o600}


@pytest.mark.parametrize(("folder", "file"), [(0o2775, 0o644), (0o750, 0o640), (0o711, 0o600)])
def test_a_video_in_a_folder_that_others_may_read_can_be_read_by_them(tmp_path: Path, folder: int, file: int) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(folder)
    archive = open_archive(str(tmp_path / "shared"), tag=TAG, scratch=tmp_path)
    archive.probe()
    keep(archive, VIDEO, "a.mp4", "b.mp4")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "shared").iterdir()} == {file}


def test_a_symbolic_link_at_the_final_name_is_neither_followed_nor_replaced(
    disk: Archive, folder: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(VIDEO)  # even the same content behind a link is not ours
    (folder / "a.mp4").symlink_to(victim)
    (folder / "b.mp4").symlink_to(tmp_path / "nowhere")
    mark = clip_of(VIDEO).sha256[:8]
    assert keep(disk, VIDEO, "a.mp4", "b.mp4") == [f"a-{mark}.mp4", f"b-{mark}.mp4"]
    assert victim.read_bytes() == VIDEO
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(ArchiveError):
        list(disk.read("a.mp4"))


def test_a_symbolic_link_planted_at_the_temporary_name_is_not_written_through(
    disk: Archive, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda size: "ab" * size)
    (folder / f".{TAG}-{'ab' * 8}.part").symlink_to(tmp_path / "victim")
    with pytest.raises(ArchiveError):
        keep(disk, VIDEO, "a.mp4")
    assert not (tmp_path / "victim").exists()
    (folder / f".{TAG}-{'ab' * 8}.part").unlink()
    (folder / f".{TAG}-{'ab' * 8}.part").write_text("another's")
    with pytest.raises(ArchiveError):
        keep(disk, VIDEO, "a.mp4")
    assert (folder / f".{TAG}-{'ab' * 8}.part").read_text() == "another's"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES])
def test_without_hard_links_a_rename_does_and_still_overwrites_nothing(
    disk: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", failing(number))
    (folder / "a.mp4").write_bytes(b"mine")
    (folder / "c.mp4").symlink_to("nowhere")
    mark = clip_of(VIDEO).sha256[:8]
    assert keep(disk, VIDEO, "a.mp4", "b.mp4", "c.mp4") == [f"a-{mark}.mp4", "b.mp4", f"c-{mark}.mp4"]
    assert (folder / "a.mp4").read_bytes() == b"mine"
    assert list(folder.glob(".*")) == []


def failing(number: int) -> Callable[..., None]:
    def fail(*_args: Any, **_options: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EFBIG])
def test_what_every_other_file_would_meet_too_is_full(
    disk: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(ArchiveError) as caught:
        keep(disk, VIDEO, "a.mp4")
    assert caught.value.full
    assert str(folder) in str(caught.value)
    assert list(folder.iterdir()) == []


def test_too_many_open_files_is_not_full(disk: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", failing(errno.EMFILE))
    with pytest.raises(ArchiveError) as caught:
        keep(disk, VIDEO, "a.mp4")
    assert not caught.value.full


def test_a_real_limit_of_file_size_is_full_and_leaves_nothing(folder: Path) -> None:
    code = f"""
import resource
from tests.archive.conftest import keep
from batchgen.archive import open_archive
from batchgen.errors import ArchiveError
archive = open_archive({str(folder)!r}, tag="t", scratch="/")
archive.probe()
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    keep(archive, b"x" * 200_001, "a.mp4")
except ArchiveError as error:
    print(error.full, error)
"""
    assert run(code).stdout.startswith("True cannot write to")
    assert list(folder.iterdir()) == []


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), capture_output=True, text=True, check=True
    )


def child_environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_a_folder_that_vanishes_is_full_and_said(disk: Archive, folder: Path) -> None:
    with disk.scratch() as file:
        file.write(VIDEO)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        with pytest.raises(ArchiveError, match="gone") as caught:
            disk.keep(file, "a.mp4", clip_of(VIDEO))
    assert caught.value.full


def test_the_probe_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refused(tmp_path / "file")
    assert f"no folder {tmp_path / 'none'}; create it" in refused(tmp_path / "none" / "videos")
    assert "not a folder" in refused(tmp_path / "file" / "videos") or "no folder" in refused(
        tmp_path / "file" / "videos"
    )
    (tmp_path / "dangling").symlink_to("nowhere")
    assert "is not a folder" in refused(tmp_path / "dangling")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing(errno.EDQUOT))  # some file systems know it no earlier
        assert "your quota on its disk is used up" in refused(tmp_path)
    monkeypatch.setattr(os, "open", failing(errno.EROFS))
    assert "read-only" in refused(tmp_path)


def refused(folder: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        open_archive(str(folder), tag=TAG, scratch="/").probe()
    return str(caught.value)


def test_a_disk_that_gives_back_something_else_is_found_by_the_probe(
    disk: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(io.BytesIO):
        def fileno(self) -> int:
            return folder_file

        def read(self, _size: int | None = -1) -> bytes:
            return bytes(4096)

    folder_file = os.open(folder, os.O_RDONLY)
    monkeypatch.setattr(disk, "scratch", Forgetful)
    with pytest.raises(ArchiveError, match="does not come back"):
        disk.probe()
    os.close(folder_file)


def test_the_folder_that_is_made_lasts_before_a_video_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    spy(monkeypatch, "fsync", events, lambda fd: "fsync " + Path(os.readlink(f"/proc/self/fd/{fd}")).name)
    spy(monkeypatch, "mkdir", events, lambda path, *_: f"mkdir {Path(path).name}")
    open_archive(str(tmp_path / "videos"), tag=TAG, scratch="/").probe()
    assert events[:2] == ["mkdir videos", f"fsync {tmp_path.name}"]


def test_a_disk_that_is_full_when_a_broken_download_is_closed_does_not_hide_why_it_broke(disk: Archive) -> None:
    def download() -> None:
        with disk.scratch() as file, open("/dev/full", "r+b") as full:
            file.write(b"not yet on the disk")
            os.dup2(full.fileno(), file.fileno())
            raise DownloadError("the connection broke")

    with pytest.raises(DownloadError, match="broke"):
        download()


def test_a_folder_that_cannot_be_listed_is_told_apart_from_an_empty_one(
    disk: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert disk.listed() == frozenset()
    monkeypatch.setattr(os, "listdir", failing(errno.EACCES))
    assert disk.listed() is None


def test_a_pipe_that_has_a_videos_name_holds_nothing_up(disk: Archive, folder: Path) -> None:
    os.mkfifo(folder / "a.mp4")
    assert keep(disk, VIDEO, "a.mp4") == [f"a-{clip_of(VIDEO).sha256[:8]}.mp4"]
    assert list(disk.read("a.mp4")) == []


def test_a_sweep_removes_the_batches_own_leftovers_and_no_others(disk: Archive, folder: Path) -> None:
    own = [f".{TAG}-{'0' * 16}.part", f".{TAG}-{'f' * 16}.part"]
    others = [f".{TAG}x-{'0' * 16}.part", f"{TAG}-{'0' * 16}.part", f".{TAG}-0.part", f".{TAG}-{'0' * 16}.mp4", "a.mp4"]
    others.append(f".{TAG}-{'0' * 16}.part.mp4")
    for name in own + others:
        (folder / name).write_bytes(b"x")
    disk.sweep()
    assert sorted(path.name for path in folder.iterdir()) == sorted(others)


def test_free_space_is_that_of_the_disk(disk: Archive, folder: Path) -> None:
    facts = os.statvfs(folder)
    assert disk.free_bytes() == pytest.approx(facts.f_bavail * facts.f_frsize, rel=0.05)
    assert open_archive(str(folder / "later"), tag=TAG, scratch="/").free_bytes()
    assert str(disk) == str(folder)


def test_a_copy_of_a_video_that_was_changed_meanwhile_is_refused(disk: Archive, folder: Path) -> None:
    with disk.scratch() as file:
        file.write(VIDEO)
        disk.keep(file, "a.mp4", clip_of(VIDEO))
        with (folder / "a.mp4").open("r+b") as changed:
            changed.write(b"edited")
        with pytest.raises(ArchiveError, match="changed"):
            disk.keep(file, "b.mp4", clip_of(VIDEO))
    assert [path.name for path in folder.iterdir()] == ["a.mp4"]


def test_kill_9_at_any_instant_leaves_complete_videos_or_none(folder: Path) -> None:
    """Contents say their own checksum, so that whatever stands under a final name can be judged alone."""
    code = f"""
import hashlib, itertools, os
from tests.archive.conftest import keep
from batchgen.archive import open_archive
archive = open_archive({str(folder)!r}, tag="t", scratch="/")
archive.probe()
print("ready", flush=True)
for number in itertools.count(int(os.environ["FIRST"])):
    body = os.urandom(1_000) * 3_000
    keep(archive, hashlib.sha256(body).digest() + body, f"{{number}}.mp4", f"{{number}}-again.mp4")
"""
    for attempt in range(5):
        environment = child_environment() | {"FIRST": str(attempt * 10_000)}
        with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            before = len(list(folder.glob("*.mp4")))
            while len(list(folder.glob("*.mp4"))) < before + 3 * attempt:
                assert process.poll() is None
            time.sleep(0.002 * attempt)  # the instant of the kill
            process.send_signal(signal.SIGKILL)
        for path in folder.glob("*.mp4"):
            content = path.read_bytes()
            assert len(content) == 3_000_032
            assert hashlib.sha256(content[32:]).digest() == content[:32]
    assert list(folder.glob("*.mp4"))
    open_archive(str(folder), tag="t", scratch="/").sweep()
    assert list(folder.glob(".*")) == []


def test_a_crash_between_name_and_cleaning_is_recovered(disk: Archive, folder: Path) -> None:
    part = folder / f".{TAG}-{'0' * 16}.part"
    part.write_bytes(VIDEO)
    os.link(part, folder / "a.mp4")
    disk.sweep()
    assert keep(disk, VIDEO, "a.mp4") == ["a.mp4"]
    assert [path.name for path in folder.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("code", "is_of_one"),
    [(errno.EIO, True), (errno.EACCES, True), (errno.ESTALE, False), (errno.EMFILE, False), (errno.ETIMEDOUT, False)],
)
def test_a_file_that_cannot_be_read_is_told_apart_from_a_folder_that_does_not_answer(
    disk: Archive, monkeypatch: pytest.MonkeyPatch, code: int, is_of_one: bool
) -> None:
    (place,) = keep(disk, VIDEO, "a.mp4")

    def refuse(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as broken:
        broken.setattr(os, "open", refuse)
        with pytest.raises(ArchiveError) as told:
            next(disk.read(place))
    assert isinstance(told.value, UnreadableError) is is_of_one
