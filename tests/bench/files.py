"""A file server of MP4s as a process of its own: ``python -m tests.bench.files FOLDER``."""

import asyncio
import sys
from pathlib import Path

from aiohttp import web


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def write_videos(folder: Path, number: int, size: int) -> list[str]:
    """Write what has the boxes of an MP4 around bytes of its own."""
    names = [f"{n:04}.mp4" for n in range(number)]
    filling = bytes(range(256)) * (size // 256)
    for n, name in enumerate(names):
        head = box(b"ftyp", b"isom\0\0\2\0") + box(b"moov", n.to_bytes(8, "big"))
        (folder / name).write_bytes(head + box(b"mdat", filling))
    return names


async def serve(folder: str) -> None:
    app = web.Application()
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
