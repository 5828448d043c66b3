"""The program's own downloads and archive, without a service: ``python -m tests.bench.keep DESTINATION AT_ONCE``.

On standard input stands a link or a file in each line; links are downloaded, files are hashed and uploaded.
"""

import asyncio
import hashlib
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from batchgen.archive import Archive, open_archive
from batchgen.download.downloader import Downloader
from batchgen.model import Clip


async def main(destination: str, at_once: int, sources: list[str]) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(at_once + 2))
    with tempfile.TemporaryDirectory() as scratch:
        archive = open_archive(destination, tag="bench", scratch=scratch, connections=at_once)
        archive.probe()
        left = iter(sources)
        async with Downloader(allow_loopback=True, at_once=at_once) as downloader:
            await asyncio.gather(*(_lane(archive, downloader, left) for _ in range(at_once)))


async def _lane(archive: Archive, downloader: Downloader, left: Iterator[str]) -> None:
    for source in left:
        if source.startswith("http"):
            with archive.scratch() as file:
                clip = await downloader.fetch(source, file)
                await asyncio.to_thread(archive.keep, file, Path(source).name, clip)
        else:
            await asyncio.to_thread(_keep, archive, source)


def _keep(archive: Archive, source: str) -> None:
    with open(source, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        archive.keep(file, Path(source).name, Clip(file.tell(), sha256))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.stdin.read().split()))
