"""Links are tried a few at a time, however many there are."""

import asyncio
from collections.abc import Iterator

import pytest

from batchgen.images import links
from batchgen.images.links import AT_ONCE, check_links


async def test_however_many_links_there_are_few_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = answered = 0

    async def wrong(_: object, url: str) -> str | None:
        nonlocal answered
        await asyncio.sleep(0)
        answered += 1
        return url if url.endswith("7") else None

    def many() -> Iterator[tuple[str, int]]:
        nonlocal taken
        for taken in range(1, 501):
            assert taken - answered <= AT_ONCE
            yield f"https://host.example/{taken}", taken

    monkeypatch.setattr(links, "_wrong", wrong)
    problems = await check_links(many(), allow_loopback=False)
    assert [problem.line for problem in problems] == list(range(7, 501, 10))
