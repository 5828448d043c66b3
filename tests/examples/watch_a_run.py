"""Watch a run, take each video as it comes, and stop it; the next run takes up what is in flight."""

import asyncio

from batchgen import Batch, Summary


async def main() -> Summary:
    """In a notebook the lines of this function need no function: it awaits by itself."""
    prompts = [{"id": f"take-{n}", "prompt": f"Waves on a pier, take {n}"} for n in range(8)]
    batch = Batch(prompts, batch="waves.batch", emulator=True)
    async with batch.start(concurrency=2) as run:
        videos: set[str] = set()
        async for standing in run:
            print(standing)
            for row in batch.rows():
                if row.video and row.video not in videos:
                    videos.add(row.video)
                    print(f"{row.id} is here: {row.video}")
            if len(videos) >= 2:
                run.stop()
    print(await run)
    return await batch.run_async()


summary = asyncio.run(main())
