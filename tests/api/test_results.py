"""Results as a DataFrame and as records: typed, in the manifest's order, and fit to be a manifest again."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from batchgen import Batch
from batchgen.ledger import Ledger
from tests.api.support import at
from tests.e2e.program import emulated

SOURCE = [
    {"id": "b", "prompt": "=1+1", "seed": 2**62 + 1, "duration": 5, "enable_prompt_expansion": True, "status": "mine"},
    {"id": "a", "prompt": "[violation] x", "image_urls": ["https://example.com/a.png"]},
    {"id": "c", "prompt": "'=tis", "status": None},
]


async def made(folder: Path) -> Batch:
    async with emulated() as emulator:
        batch = at(emulator, SOURCE, folder)
        await batch.run_async()
    return batch


async def test_each_column_has_its_type_and_what_is_missing_is_blank(tmp_path: Path) -> None:
    frame = (await made(tmp_path / "b")).results()
    assert frame["id"].tolist() == ["b", "a", "c"]
    assert str(frame["seed"].dtype) == "Int64"
    assert frame["seed"].isna().tolist() == [False, True, True]
    assert (frame["seed"][0], frame["duration"][0], frame["attempts"].tolist()) == (2**62 + 1, 5, [1, 1, 1])
    assert frame["status"].tolist() == ["archived", "failed", "archived"]
    assert "in_doubt" in frame["status"].cat.categories
    assert frame["enable_prompt_expansion"].tolist() == [True, pd.NA, pd.NA]
    assert str(frame["submitted_at"].dt.tz) == "UTC"
    assert abs((frame["submitted_at"][0] - pd.Timestamp.now("UTC")).total_seconds()) < 3600
    assert frame["image_urls"].tolist()[1] == "https://example.com/a.png"
    assert frame[["video", "sha256", "bytes"]].isna().any(axis=1).tolist() == [False, True, False]
    assert frame["manifest_status"].tolist()[0] == "mine"


async def test_a_frame_is_merged_with_its_results_by_its_own_numbers(tmp_path: Path) -> None:
    index = pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["set", "take"])
    score = pd.array([0.1, None, 3, 0.3], dtype="Float64")
    frame = pd.DataFrame({"ID": range(7, 11), "prompt": "a fox", "score": score, "code": "007"}, index=index)
    async with emulated() as emulator:
        batch = at(emulator, frame, tmp_path / "b")
        await batch.run_async()
    results, given = batch.results(), frame.reset_index()
    assert (
        given.merge(results, left_on=["ID", "set", "take", "score"], right_on=["id", "set", "take", "score"]).shape[0]
        == 4
    )
    assert results["code"].tolist() == ["007"] * 4
    assert Batch(tmp_path / "b").results()["take"].tolist() == ["1", "2", "1", "2"]
    async with emulated() as emulator:
        seeded = at(emulator, frame.assign(seeds="1-2"), tmp_path / "c")
        await seeded.run_async()
    assert seeded.results()["id"].tolist()[:2] == ["7-s1", "7-s2"]


async def test_the_records_say_the_same(tmp_path: Path) -> None:
    batch = await made(tmp_path / "b")
    first, second, _ = batch.rows()
    assert (first.id, first.status, first.seed, first.extras["status"]) == ("b", "archived", 2**62 + 1, "mine")
    assert first.video == str(tmp_path / "b" / "videos" / "b.mp4")
    assert first.bytes == Path(first.video).stat().st_size
    assert first.submitted_at
    assert first.submitted_at <= datetime.now(UTC)
    assert (second.fail_code, second.video, second.image_urls) == (
        *("CONTENT_VIOLATION", None),
        ("https://example.com/a.png",),
    )


async def test_an_empty_batch_has_the_same_columns_and_types(tmp_path: Path) -> None:
    full = (await made(tmp_path / "b")).results()
    (tmp_path / "none").mkdir()
    Ledger.open(tmp_path / "none" / "ledger.sqlite").close()
    none = Batch(tmp_path / "none").results()
    assert none.empty
    assert dict(none.dtypes.astype(str)).items() <= dict(full.dtypes.astype(str)).items()


async def test_results_that_become_a_manifest_again_are_the_same_rows(tmp_path: Path) -> None:
    frame = (await made(tmp_path / "b")).results()
    frame.to_csv(tmp_path / "again.csv", index=False)
    frame.set_index("id").reset_index().to_parquet(tmp_path / "again.parquet")
    for source in (frame, tmp_path / "again.csv", tmp_path / "again.parquet"):
        plan = Batch(source, batch=tmp_path / "b").plan()
        assert (plan.new, plan.edited, plan.gone, plan.to_submit) == (0, 0, 0, 0)
        assert not plan.remarks


async def test_results_that_are_run_again_get_no_further_columns(tmp_path: Path) -> None:
    async with emulated() as emulator:
        await at(emulator, SOURCE, tmp_path / "b").run_async()
        frame = Batch(tmp_path / "b").results()
        again = await at(emulator, frame, tmp_path / "b").run_async()
        assert (again.submitted, again.rows) == (0, 3)
    assert Batch(tmp_path / "b").results().columns.drop("manifest_status", errors="ignore").tolist() == [
        *frame.columns.drop("manifest_status")
    ]


async def test_results_csv_read_by_pandas_is_the_same_rows(tmp_path: Path) -> None:
    await made(tmp_path / "b")
    frame = pd.read_csv(tmp_path / "b" / "results.csv", dtype={"seed": "Int64"})
    plan = Batch(frame, batch=tmp_path / "b").plan()
    assert (plan.new, plan.gone, plan.to_submit) == (0, 0, 0)
