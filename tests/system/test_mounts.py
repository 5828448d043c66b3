"""A batch's folder on a network file system is refused before anything is sent."""

from pathlib import Path

import pytest

from batchgen.errors import UsageError
from batchgen.folder.opening import open_for_run
from batchgen.settings import Settings
from batchgen.system import mounts

MOUNTED = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 22 0:30 / /srv rw shared:5 - nfs4 server:/export rw,vers=4.2
32 31 8:1 / /srv/local rw shared:6 - xfs /dev/sda1 rw
33 22 0:31 / /media/my\040disk rw shared:7 - cifs //nas/films rw
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/me/film.batch", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/film.batch", "nfs4"),
        ("/srvice/film.batch", "ext4"),
        ("/srv/local/film.batch", "xfs"),
        ("/media/my disk/film.batch", "cifs"),
    ],
)
def test_the_nearest_mount_tells_the_file_system(place: str, kind: str) -> None:
    assert mounts.file_system(Path(place), MOUNTED) == kind


def test_a_later_mount_hides_an_earlier_one_at_the_same_place() -> None:
    assert mounts.file_system(Path("/srv/x"), MOUNTED + "40 22 8:2 / /srv rw - ext4 /dev/sdb1 rw\n") == "ext4"


def test_a_batch_is_refused_there_and_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"31 22 0:30 / {tmp_path.resolve()} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", table)
    folder = tmp_path / "film.batch"
    with pytest.raises(UsageError, match=r"film\.batch is on a network file system \(nfs4\).*--batch"):
        open_for_run(Settings(batch=folder)).__enter__()
    assert not folder.exists()
    folder.mkdir()
    (folder / "ledger.sqlite").touch()  # to begin in another folder would pay for all again
    with pytest.raises(UsageError, match=r"copy it to a local disk, and go on with the copy alone: --batch DIR"):
        open_for_run(Settings(batch=folder)).__enter__()


def test_where_nothing_is_known_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "none")
    assert mounts.network_file_system(tmp_path) is None
