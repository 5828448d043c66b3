"""What every archive promises, proven on a folder and on a real S3 server."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from batchgen.archive import MissingError, open_archive
from batchgen.errors import ArchiveError, UsageError
from tests.archive.conftest import Store, clip_of, keep

VIDEO = bytes(range(256)) * 5000  # more than one piece of reading
OTHER = VIDEO[::-1]


def test_a_probe_leaves_nothing_behind_and_can_be_repeated(store: Store) -> None:
    store.archive.probe()
    assert store.names() == []


def test_what_is_kept_is_read_back_to_the_byte_from_the_place_that_was_given(store: Store) -> None:
    [place] = keep(store.archive, VIDEO, "a cat – Ü.mp4")
    assert store.names() == ["a cat – Ü.mp4"]
    assert place.endswith("a cat – Ü.mp4")
    assert store.content(place) == VIDEO
    assert max(map(len, store.archive.read(place))) <= 1 << 20


def test_a_file_that_is_not_kept_is_gone(store: Store) -> None:
    with store.archive.scratch() as file:
        file.write(VIDEO)
    with suppress(RuntimeError), store.archive.scratch() as file:
        file.write(VIDEO)
        raise RuntimeError
    assert store.names() == []


def test_the_same_video_kept_again_is_found_not_doubled(store: Store) -> None:
    assert keep(store.archive, VIDEO, "a.mp4") == keep(store.archive, VIDEO, "a.mp4")
    assert store.names() == ["a.mp4"]


def test_one_file_is_kept_under_several_names(store: Store) -> None:
    places = keep(store.archive, VIDEO, "a.mp4", "b.mp4", "c.mp4", "a.mp4")
    assert store.names() == ["a.mp4", "b.mp4", "c.mp4"]
    assert places[0] == places[3]
    assert all(store.content(place) == VIDEO for place in places)


def test_other_content_under_the_name_is_never_overwritten(store: Store) -> None:
    store.plant("a.mp4", OTHER)
    [place] = keep(store.archive, VIDEO, "a.mp4")
    suffixed = f"a-{clip_of(VIDEO).sha256[:8]}.mp4"
    assert place.endswith(suffixed)
    assert store.names() == sorted(["a.mp4", suffixed])
    assert store.content(place.replace(suffixed, "a.mp4")) == OTHER
    assert keep(store.archive, VIDEO, "a.mp4") == [place]


def test_where_the_second_name_is_taken_too_there_is_a_third(store: Store) -> None:
    digest = clip_of(VIDEO).sha256
    for name in ("a.mp4", f"a-{digest[:8]}.mp4"):
        store.plant(name, OTHER)
    [place] = keep(store.archive, VIDEO, "a.mp4")
    assert place.endswith(f"a-{digest[:16]}.mp4")
    assert store.content(place) == VIDEO


def test_what_is_here_is_known_by_its_content_whoever_put_it_here(store: Store) -> None:
    [place] = keep(store.archive, VIDEO, "a.mp4")
    store.plant("b.mp4", VIDEO)
    store.plant("c.mp4", OTHER)
    assert store.archive.place("a.mp4") == place
    names = ("a.mp4", "b.mp4", "c.mp4", "d.mp4")
    assert [store.archive.holds(name, clip_of(VIDEO)) for name in names] == [True, True, False, False]
    assert [store.archive.holds(name, clip_of(VIDEO[1:])) for name in names] == [False] * 4


def test_what_is_here_is_listed_by_name(store: Store) -> None:
    keep(store.archive, VIDEO, "a.mp4", "ü b.mp4")
    store.plant("c.mp4", OTHER)
    assert (store.archive.listed() or frozenset()) - {""} == {"a.mp4", "ü b.mp4", "c.mp4"}  # "": the prefix itself


def test_where_all_names_are_taken_nothing_is_overwritten_and_it_is_said(store: Store) -> None:
    digest = clip_of(VIDEO).sha256
    for name in ("a.mp4", f"a-{digest[:8]}.mp4", f"a-{digest[:16]}.mp4"):
        store.plant(name, OTHER)
    with pytest.raises(ArchiveError, match="taken") as caught:
        keep(store.archive, VIDEO, "a.mp4")
    assert not caught.value.full
    assert len(store.names()) == 3


def test_of_many_writers_of_one_name_each_finds_its_own_content(store: Store) -> None:
    contents = [bytes([number]) * 1000 for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        places = list(pool.map(lambda content: keep(store.archive, content, "a.mp4")[0], contents))
    assert [store.content(place) for place in places] == contents
    assert len(store.names()) == 12


def test_a_file_of_another_length_than_was_downloaded_is_not_kept(store: Store) -> None:
    with store.archive.scratch() as file:
        file.write(VIDEO[:-1])
        with pytest.raises(ArchiveError, match="does not have"):
            store.archive.keep(file, "a.mp4", clip_of(VIDEO))
    assert store.names() == []


def test_a_missing_video_is_told_apart_from_a_silent_archive(store: Store) -> None:
    [place] = keep(store.archive, VIDEO, "a.mp4")
    store.lose("a.mp4")
    with pytest.raises(MissingError, match="missing"):
        store.content(place)


@pytest.mark.parametrize(
    "name", ["../a.mp4", "a/b.mp4", "/a.mp4", "a\\b.mp4", ".a.mp4", "", ".mp4", "a\n.mp4", "a\0.mp4", "a\udcff.mp4"]
)
def test_a_name_that_leads_elsewhere_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ArchiveError, match="not a safe name"):
        keep(store.archive, VIDEO, name)
    assert store.names() == []


@pytest.mark.parametrize(
    "destination", ["", " ", "gs://bucket/x", "https://host/x", "s3://", "s3:///x", "s3://b/../c", "s3://b/a//c"]
)
def test_a_destination_of_no_known_kind_is_bad_usage(destination: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="s3://bucket/prefix"):
        open_archive(destination, tag="t", scratch=tmp_path)


@pytest.mark.parametrize("tag", ["", "a-b", "a/b", "é", "*"])
def test_a_tag_that_could_match_another_batch_is_refused(tag: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tag"):
        open_archive(str(tmp_path), tag=tag, scratch=tmp_path)


def test_a_timeout_within_scratch_is_not_the_archives_fault(store: Store) -> None:
    with pytest.raises(TimeoutError), store.archive.scratch():
        raise TimeoutError


def test_a_disk_full_while_downloading_is_the_archives_fault(store: Store) -> None:
    with pytest.raises(ArchiveError) as caught, store.archive.scratch():
        raise OSError(28, "No space left on device")
    assert caught.value.full
