"""Whether a file is a whole MP4, judged by its boxes (ISO/IEC 14496-12, 4.2) without decoding anything."""

from typing import BinaryIO

_MOST_BOXES = 10_000  # more than an hour of one-second fragments; ends the walk through a file made of empty boxes


def check(file: BinaryIO, size: int, *, end_is_known: bool = True) -> None:
    """Walk the top-level boxes of the first ``size`` bytes of ``file``; moves its position.

    ``end_is_known`` is False where nothing but the end of the data says where it ends: then a last box that
    reaches "to the end" proves nothing, nor does one that is none. Raises ValueError with the reason if the file is
    not a whole MP4.
    """
    kinds: set[bytes] = set()
    start = 0
    for _ in range(_MOST_BOXES):
        if start >= size:
            break
        try:
            kind, length = _box(file, start, size, end_is_known=end_is_known)
        except ValueError:
            if end_is_known and _is_surplus(file, start, size, kinds):
                break
            raise
        if not kinds and kind != b"ftyp":
            raise ValueError("it does not begin like an MP4")
        kinds.add(kind)
        start += length
    else:
        raise ValueError(f"it has more than {_MOST_BOXES:,} boxes")
    _check_kinds(kinds)


def _is_surplus(file: BinaryIO, start: int, size: int, kinds: set[bytes]) -> bool:
    """Whether bytes that are no box do no harm: behind the index and all pictures a player passes over them.

    So does FFmpeg. In a file of fragments they always do harm, since nobody knows which fragment is the last.
    """
    file.seek(start)
    kind = file.read(min(8, size - start))[4:]
    return kinds >= {b"moov", b"mdat"} and b"moof" not in kinds and kind not in (b"mdat", b"moof")


def _check_kinds(kinds: set[bytes]) -> None:
    if not kinds:
        raise ValueError("it is empty")
    if b"moov" not in kinds:
        raise ValueError("its index (moov) is missing")
    if not kinds & {b"mdat", b"moof"}:
        raise ValueError("it holds no pictures (mdat)")


def _box(file: BinaryIO, start: int, size: int, *, end_is_known: bool) -> tuple[bytes, int]:
    """Return type and length in bytes of the box at ``start``; it ends within the file."""
    file.seek(start)
    head = file.read(min(16, size - start))
    if len(head) < 8:
        raise ValueError("it is cut in the head of a box")
    kind, length, smallest = head[4:8], int.from_bytes(head[:4], "big"), 8
    if start == 0 and kind != b"ftyp":
        return kind, size  # no MP4 at all: its "length" would only confuse the reason given
    if length == 1:  # the length follows in 64 bits
        length, smallest = int.from_bytes(head[8:16], "big"), 16
    elif length == 0:  # to the end of the file
        if not end_is_known:
            raise ValueError("nothing says where it ends")
        length = size - start
    if length < smallest or len(head) < smallest:
        raise ValueError("a box is shorter than its own head")
    if start + length > size:
        raise ValueError(f"it is cut: {start + length:,} bytes at least were to come, {size:,} did")
    return kind, length
