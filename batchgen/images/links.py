"""Links to images, tried before anything is paid: whether the service would find one there that it takes."""

import asyncio
from collections.abc import Iterable

from batchgen.download.downloader import Downloader
from batchgen.errors import DownloadError
from batchgen.images.formats import BEGINNING_BYTES, check
from batchgen.model import Problem

AT_ONCE = 16
_COLUMN = "image_urls"


async def check_links(links: Iterable[tuple[str, int]], *, allow_loopback: bool) -> list[Problem]:
    """What is wrong with links, each given with the line it stands in."""
    async with Downloader(allow_loopback=allow_loopback, at_once=AT_ONCE, plain_http=True) as downloader:
        waiting, problems = iter(links), []

        async def work() -> None:
            for url, line in waiting:  # each takes the next
                if wrong := await _wrong(downloader, url):
                    problems.append(Problem(line, _COLUMN, wrong))

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.message))


async def _wrong(downloader: Downloader, url: str) -> str | None:
    try:
        beginning, size = await downloader.peek(url, BEGINNING_BYTES)
    except DownloadError as error:
        return f"the image cannot be fetched: {error}"
    try:
        check(beginning, size or 0)
    except ValueError as error:
        return f"the image {url.partition('?')[0][:120]} {error}"
    return None
