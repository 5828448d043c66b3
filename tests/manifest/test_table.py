"""Tables in memory: each value as the text that a sheet would hold, or refused."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.errors import ManifestError, UsageError
from batchgen.manifest import open_manifest
from batchgen.manifest.table import Table, identities
from batchgen.model import Row
from batchgen.request import with_newlines
from tests.manifest.reading import singly


def written(source: Any, folder: Path) -> Path:
    path = folder / "table.csv"
    path.write_bytes(Table(source).stream().read())
    return path


def read(source: Any, folder: Path) -> list[Row]:
    found = list(singly(open_manifest(written(source, folder), model="wan-2-5")))
    rows = [item for item in found if isinstance(item, Row)]
    assert len(rows) == len(found), found
    return rows


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("note", None, ""),
        ("note", float("nan"), ""),
        ("note", pd.NA, ""),
        ("note", pd.NaT, ""),
        ("note", np.datetime64("NaT"), ""),
        ("note", "007", "007"),
        ("note", 7, "7"),
        ("note", 7.0, "7"),
        ("note", 7.5, "7.5"),
        ("note", np.float32(0.1), "0.1"),
        ("note", np.int64(7), "7"),
        ("note", np.bool_(True), "true"),
        ("note", False, "false"),
        ("note", Decimal("7.00"), "7"),
        ("note", Decimal("7.10"), "7.10"),
        ("note", date(2026, 11, 25), "2026-11-25"),
        ("note", pd.Timestamp("2026-11-25 06:00"), "2026-11-25 06:00:00"),
        ("note", Path("a/b.png"), "a/b.png"),
        ("seed", 2**63 - 1, str(2**63 - 1)),
        ("seed", np.uint64(2**63 - 1), str(2**63 - 1)),
        ("seed", float(2**53), str(2**53)),
        ("seeds", [1, np.int64(5)], "1;5"),
        ("seeds", range(1, 4), "1;2;3"),
        ("seeds", np.array([1, 2]), "1;2"),
        ("image_urls", ["https://a/1.png", "https://a/2.png"], '["https://a/1.png", "https://a/2.png"]'),
        ("image_urls", [], ""),
    ],
)
def test_a_value_is_the_text_that_a_sheet_would_hold(tmp_path: Path, column: str, value: object, text: str) -> None:
    path = written([{column: value, "prompt": "p"}], tmp_path)
    assert pd.read_csv(path, dtype=str, keep_default_na=False).iloc[0, 0] == text


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("seed", float(2**54), "may have lost digits"),
        ("seed", np.float32(2**24 + 1), "may have lost digits"),
        ("Seed ", pd.Timestamp("2026-01-04"), "is the moment 2026-01-04 00:00:00; make it a text"),
        ("prompt", "a\0b", r"\\x00"),
        ("prompt", "\ud800", r"\\ud800"),
        ("prompt", ["a"], "only image_urls and seeds may be one"),
        ("seeds", [1.5], "holds a list"),
        ("note", {"a": 1}, "holds a value of the type dict"),
        ("prompt", b"a fox", "holds a value of the type bytes"),
        ("note", pd.Timedelta("1s"), "of the type Timedelta"),
        ("note", object(), "of the type object"),
    ],
)
def test_what_may_have_lost_digits_or_is_no_cell_is_refused(column: str, value: object, told: str) -> None:
    with pytest.raises(ManifestError, match=told) as error:
        Table([{"prompt": "p", column: "1"}, {"prompt": "p", column: value}]).stream()
    assert [(problem.line, problem.column) for problem in error.value.problems] == [(3, column)]


def test_a_column_that_pandas_made_floats_of_has_whole_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"prompt": ["a", "b"], "seed": [42, None], "duration": pd.array([5, None], dtype="Int64")})
    assert str(frame["seed"].dtype) == "float64"
    assert [(row.request.seed, row.request.duration) for row in read(frame, tmp_path)] == [(42, 5), (None, None)]


def test_an_index_with_a_name_is_a_column_and_another_is_not(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["x", "y"], "prompt": ["a", "b"], "seed": [1, 2]})
    for each in (frame, frame.set_index("id"), frame.set_index(["id", "seed"]), frame.iloc[::-1].iloc[::-1]):
        assert [(row.id, row.request.seed, row.extras) for row in read(each, tmp_path)] == [("x", 1, {}), ("y", 2, {})]


def test_a_table_is_as_it_was_when_it_was_given() -> None:
    frame = pd.DataFrame({"prompt": ["a", "b"]})
    rows = [{"prompt": "a"}, {"prompt": "b"}]
    tables = [Table(frame), Table(rows)]
    frame.loc[0, "prompt"] = "z"
    rows[0]["prompt"] = "z"
    assert {table.stream().read() for table in tables} == {b'"prompt"\n"a"\n"b"\n'}


@pytest.mark.parametrize("source", [["a prompt"], 3, {"prompt": "a"}])
def test_rows_that_name_nothing_are_refused(source: Any) -> None:
    with pytest.raises(UsageError, match="each row must name its values"):
        Table(source)


def test_a_table_of_another_library_is_refused_with_what_gives_its_rows() -> None:
    table = pa.table({"prompt": ["a", "b"]})
    with pytest.raises(UsageError, match=r"; to_pylist\(\) gives such rows$"):
        Table(table)
    assert Table(table.to_pylist()).stream().read() == b'"prompt"\n"a"\n"b"\n'


def test_rows_may_have_different_keys(tmp_path: Path) -> None:
    first, second = read([{"prompt": "a", "seed": 1}, {"note": "n", "prompt": "b"}], tmp_path)
    assert (first.request.seed, first.extras, second.extras) == (1, {"note": ""}, {"note": "n"})


@pytest.mark.parametrize("source", [[], pd.DataFrame(), pd.DataFrame({"prompt": []}), [{}]])
def test_a_table_without_rows_is_refused(source: Any) -> None:
    with pytest.raises(ManifestError, match=r"^(rows|DataFrame): there is no row; give one for each video$"):
        Table(source).stream()


@pytest.mark.parametrize("source", [[{"text": "a"}], pd.DataFrame(["a"]), pd.DataFrame({"text": ["a"]})])
def test_a_table_without_a_column_that_is_known_is_told_which_it_needs(source: Any) -> None:
    with pytest.raises(
        ManifestError, match=r"^(rows|DataFrame): no column is called prompt; give that name to the one"
    ):
        Table(source).stream()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (pd.DataFrame({"Prompt": ["a", None, float("nan")]}), "DataFrame.iloc[1-2] (2 rows), column Prompt"),
        (pd.DataFrame({"prompt": ["a", " "], "seed": [1, None]}), "DataFrame.iloc[1], column prompt"),
        ([{"prompt": "a"}, {"note": ""}], "rows[1], column prompt"),
    ],
)
def test_a_row_that_is_blank_is_told_and_not_passed_over(source: Any, told: str) -> None:
    Table(pd.DataFrame({"promt": ["a", None]})).stream()  # refused for its column, by whoever reads it
    with pytest.raises(ManifestError) as error:
        Table(source).stream()
    assert str(error.value).startswith(f"{told}: the prompt is missing; ")
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    "values",
    [["7", "a,b"], ("7", "a,b"), [7, "a,b"], [7.0, " a,b "], pd.Series([7, "a,b"]), np.array(["7", "a,b"]),
     pd.Index(["7", "a,b"]), {"7": 1, "a,b": 2}, (text for text in ("7", "a,b"))],
)  # fmt: skip
def test_ids_are_what_the_rows_of_a_table_have(values: Any) -> None:
    assert identities("--only", values) == ("7", "a,b")
    assert identities("--row", "a,b") == ("a,b",)


@pytest.mark.parametrize("values", [[None], [""], [["a"]], [pd.NaT], [object()], ["a\0"], [2.0**60], [b"a"], [[1]]])
def test_what_can_be_no_id_is_refused(values: Any) -> None:
    with pytest.raises(UsageError, match=r"^--only: "):
        identities("--only", values)


def test_a_whole_table_is_no_column_of_ids() -> None:
    with pytest.raises(UsageError, match=r"frame\['id'\]"):
        identities("--only", pd.DataFrame({"id": ["a"]}))


@given(prompt=st.text(min_size=1), note=st.text())
def test_any_text_comes_back_to_the_character_or_is_refused(prompt: str, note: str) -> None:
    with TemporaryDirectory() as folder:
        try:
            path = written([{"prompt": prompt, "note": note}], Path(folder))
        except ManifestError:
            is_blank = not (prompt + note).strip()
            assert is_blank or any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in prompt + note)
            return
        for item in singly(open_manifest(path, model="wan-2-5")):
            if isinstance(item, Row):
                assert (item.request.prompt, item.extras) == (with_newlines(prompt), {"note": note})
