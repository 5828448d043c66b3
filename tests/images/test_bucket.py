"""Uploading images: however many there are, few are held at a time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchgen.errors import UsageError
from batchgen.images.bucket import AHEAD, ImageBucket


class Counting(ImageBucket):
    """A bucket of which every other image is there."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def _provide(self, image: str, path: Path | None) -> bool:
        self.seen.append(image)
        if path is None:
            raise UsageError("the image is not known")
        return int(image) % 2 == 0


def test_of_any_number_of_images_few_wait_for_their_turn() -> None:
    bucket = Counting()

    def images() -> Iterator[str]:
        for number in range(4 * AHEAD):
            assert number - len(bucket.seen) < AHEAD
            yield str(number)

    assert bucket.provide(images(), Path) == 2 * AHEAD
    assert len(set(bucket.seen)) == 4 * AHEAD


def test_after_one_that_is_not_known_no_more_are_begun() -> None:
    bucket = Counting()
    with pytest.raises(UsageError, match="not known"):
        bucket.provide(map(str, range(5 * AHEAD)), lambda name: None if name == "3" else Path(name))
    assert len(bucket.seen) <= AHEAD
