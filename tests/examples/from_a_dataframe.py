"""Make videos from a DataFrame, and get a DataFrame back."""

import pandas as pd

from batchgen import Batch

scenes = pd.DataFrame(
    {
        "id": ["fox", "owl", "hare"],
        "prompt": ["A fox crosses a frozen lake", "An owl turns its head", "A hare in the first snow"],
        "seed": [1, 2, 3],
        "scene": ["opening", "opening", "end"],  # a column of one's own comes back
    }
)
batch = Batch(scenes, batch="film.batch", emulator=True)
summary = batch.run(progress=print)
results = batch.results()
print(results[["id", "scene", "status", "video", "generation_seconds"]])
