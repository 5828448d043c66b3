"""Parquet: typed columns become the text that a sheet would hold, or are refused."""

import datetime
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from tests.manifest.reading import Read, read, read_file


def table(path: Path, **columns: Any) -> Read:
    pq.write_table(pa.table(columns), path)
    return read_file(path)


def test_what_pandas_writes_is_read(tmp_path: Path) -> None:
    columns = {"prompt": ["a", "b", "c"], "seed": [1, None, 2**53], "enable_prompt_expansion": [True, None, False]}
    frame = pd.DataFrame({**columns, "kind": pd.Categorical(["x", "y", "x"]), "half": [0.5, 1.0, None]})
    frame.to_parquet(tmp_path / "f.parquet")
    found = read_file(tmp_path / "f.parquet")
    assert found.problems == []
    assert [request.seed for request in found.requests] == [1, None, 2**53]
    assert [request.enable_prompt_expansion for request in found.requests] == [True, None, False]
    assert [row.extras for row in found.rows] == [
        {"kind": "x", "half": "0.5"}, {"kind": "y", "half": "1"}, {"kind": "x", "half": ""}]  # fmt: skip


def test_lists_are_images_and_seeds(tmp_path: Path) -> None:
    found = table(tmp_path / "f.parquet", prompt=["a"], image_urls=[["https://x.example/1", "https://x.example/2"]],
                  seeds=[[4, 8]])  # fmt: skip
    assert [(request.seed, request.image_urls) for request in found.requests] == [
        (4, ("https://x.example/1", "https://x.example/2")), (8, ("https://x.example/1", "https://x.example/2"))
    ]  # fmt: skip


def test_every_type_that_a_sheet_has_is_text_in_columns_of_ones_own(tmp_path: Path) -> None:
    found = table(tmp_path / "f.parquet", prompt=["a"], day=[datetime.date(2026, 1, 5)], at=[datetime.time(16, 9)],
                  money=[Decimal("1.50")], big=pa.array([2**64 - 1], pa.uint64()), none=pa.nulls(1))  # fmt: skip
    assert found.problems == []
    assert found.rows[0].extras == {
        "day": "2026-01-05", "at": "16:09", "money": "1.50", "big": "18446744073709551615", "none": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "line", "column", "words"),
    [
        ({"prompt": ["a", "b"], "seed": [1.5, 2.0]}, 1, "seed", 'seed "1.5"'),
        ({"prompt": ["a"], "seed": [1e16]}, 1, "seed", "may have lost digits"),
        (
            {"prompt": ["a"], "aspect_ratio": [datetime.time(16, 9)]},
            1,
            "aspect_ratio",
            "the file turned this cell into the time 16:09",
        ),
        ({"prompt": [b"a"]}, 1, "prompt", "of the type binary"),
        ({"prompt": ["a"], "x": [{"y": 1}]}, 1, "x", "of the type struct"),
        ({"prompt": ["a"], "x": [[1]]}, 1, "x", "only image_urls and seeds"),
        ({"prompt": ["a", "nul\0"]}, 2, "prompt", "no text can have"),
        ({"prompt": ["a"], "seed": pa.array([16_777_216], pa.float32())}, 1, "seed", "may have lost digits"),
        ({"promt": ["a"]}, None, "promt", "rename it to prompt"),
        ({"prompt": pa.array([], pa.string())}, None, None, "no row below"),
    ],
)
def test_what_no_sheet_could_hold_is_refused(
    tmp_path: Path, columns: dict[str, Any], line: int | None, column: str | None, words: str
) -> None:
    found = table(tmp_path / "f.parquet", **columns)
    assert [(p.line, p.column) for p in found.fatal][:1] == [(line, column)], found.told
    assert words in found.told
    assert "prompt is missing" not in found.told


def test_what_is_no_parquet_is_said_to_be_none(tmp_path: Path) -> None:
    assert "not a Parquet file" in read(tmp_path, "PAR1 hello", "f.parquet").told
    table(tmp_path / "g.parquet", prompt=["a fox that runs"] * 50)
    whole = (tmp_path / "g.parquet").read_bytes()
    for place in range(0, len(whole), 23):
        (tmp_path / "g.parquet").write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        read_file(tmp_path / "g.parquet")


def test_without_its_engine_it_says_what_to_install(tmp_path: Path) -> None:
    table(tmp_path / "f.parquet", prompt=["a"])
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path; from tests.manifest.reading import read_file\n"
        "print(read_file(Path(sys.argv[1])).told)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "f.parquet")], capture_output=True, text=True, check=True
    )
    assert "pip install 'batchgen[parquet]'" in done.stdout
