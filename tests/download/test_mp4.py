"""Whole MP4s pass; cut, foreign and senseless ones are told what is wrong with them."""

import io
import struct
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchgen.download import mp4


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def long_box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body


def open_box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 0, kind) + body


FTYP, MOOV, MDAT = box(b"ftyp", b"isom\0\0\2\0isom"), box(b"moov", b"index" * 20), box(b"mdat", b"pictures" * 50)


def check(content: bytes, *, end_is_known: bool = True) -> None:
    mp4.check(io.BytesIO(content), len(content), end_is_known=end_is_known)


@pytest.mark.parametrize(
    "boxes",
    [
        (FTYP, MOOV, MDAT),
        (FTYP, MDAT, MOOV),
        (FTYP, box(b"free"), MOOV, box(b"uuid", b"x" * 16), MDAT),
        (FTYP, MOOV, long_box(b"mdat", b"pictures")),
        (FTYP, MOOV, open_box(b"mdat", b"pictures")),
        (FTYP, MOOV, box(b"moof"), box(b"mdat")),
        (FTYP, MOOV, box(b"moof")),
        (FTYP, box(b"moov"), box(b"mdat")),
        (FTYP, MOOV, MDAT, b"\n"),
        (FTYP, MOOV, MDAT, b"\r\n-- the end --\r\n"),
        (FTYP, MDAT, MOOV, b"\0\0\0"),
        (FTYP, MOOV, MDAT, box(b"free", b"x" * 90)[:50]),
    ],
)
def test_a_whole_file_passes(boxes: Iterable[bytes]) -> None:
    check(b"".join(boxes))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\0\0", "cut in the head"),
        (b"<!DOCTYPE html><html><body>expired</body></html>", "does not begin like an MP4"),
        (b"\0" * 100, "does not begin like an MP4"),
        (MOOV + FTYP + MDAT, "does not begin like an MP4"),
        (FTYP + MDAT, "moov"),
        (FTYP + MOOV, "mdat"),
        (FTYP, "moov"),
        (FTYP + MOOV + MDAT[:-1], "cut: "),
        (FTYP + MOOV + MDAT + MDAT[:-1], "cut: "),
        (FTYP + MOOV + b"\0\0\0", "cut in the head"),
        (FTYP + MOOV + b"surplus bytes", "cut: "),
        (FTYP + MOOV + box(b"moof") + box(b"mdat") + b"\0\0\0", "cut in the head"),
        (FTYP + MOOV + box(b"moof") + box(b"mdat") + box(b"moof")[:-1], "cut in the head"),
        (FTYP + MOOV + box(b"moof") + box(b"mdat") + b"surplus bytes", "cut: "),
        (FTYP + MOOV + struct.pack(">I4s", 7, b"mdat"), "shorter than its own head"),
        (FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 15), "shorter than its own head"),
        (FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1), "cut: "),
        (FTYP + MOOV + struct.pack(">I4sI", 1, b"mdat", 0), "shorter than its own head"),
        (FTYP + MOOV + MDAT + box(b"free") * 10_000, "10,000 boxes"),
    ],
)
def test_what_is_no_whole_mp4_is_told_why(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check(content)


def test_surplus_bytes_prove_nothing_where_the_end_is_not_known() -> None:
    with pytest.raises(ValueError, match="cut in the head"):
        check(FTYP + MOOV + MDAT + b"\n", end_is_known=False)


def test_a_box_to_the_end_proves_nothing_where_the_end_is_not_known() -> None:
    content = FTYP + MOOV + open_box(b"mdat", b"pictures")
    with pytest.raises(ValueError, match="nothing says where it ends"):
        check(content, end_is_known=False)
    check(FTYP + MOOV + MDAT, end_is_known=False)


@given(st.integers(min_value=0, max_value=len(FTYP + MOOV + MDAT) - 1))
@example(len(FTYP + MOOV))
def test_no_file_that_was_cut_anywhere_passes(end: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        check((FTYP + MOOV + MDAT)[:end])


@settings(max_examples=200)
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([FTYP, MOOV, MDAT])), max_size=6).map(b"".join))
def test_no_bytes_make_it_do_anything_but_pass_or_tell(content: bytes) -> None:
    with suppress(ValueError):
        check(content)
