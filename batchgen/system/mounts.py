"""Which file system a folder is on: SQLite's locks and its shared memory do not hold on one of the network."""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")  # Linux: proc(5); elsewhere nothing is known, and nothing refused
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "fuse.sshfs", "fuse.s3fs"})


def network_file_system(folder: Path) -> str | None:
    """The type of the network file system that the folder (or its parent, if there is none) is on; else None."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    place = folder if folder.exists() else folder.parent
    kind = file_system(place.resolve(), mounts)
    return kind if kind in NETWORK else None


def file_system(place: Path, mounts: str) -> str | None:
    """The type of the file system that an absolute path is on, by ``mountinfo``; of two mounts there, the later."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        words = before.split(" ")
        if len(words) < 5 or not after:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])
        if place.is_relative_to(os.fsdecode(point)) and (best is None or len(point) >= best[0]):
            best = (len(point), after.split(" ")[0])
    return best[1] if best else None
