"""The same rows give the same jobs, whatever the format."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.manifest import format_of
from batchgen.manifest.standard_input import spooled
from tests.manifest.reading import Read, read_file
from tests.manifest.same_rows import HEADER, ROWS, WRITERS

DATA = Path(__file__).parent / "data"
# What XML cannot hold as it is, or a reader of YAML refuses, is the business of each format's own tests.
LETTERS = st.characters(
    codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\x85\u2028\u2029\ufeff\ufffe\uffff"
)
TEXTS = st.text(LETTERS, min_size=1, max_size=20).map(str.strip).filter(lambda text: text and "  " not in text)
RECORDS = st.lists(
    st.tuples(
        st.just(""), TEXTS, st.integers(0, 2**63 - 1).map(str), st.just(""), st.sampled_from(["", "720p"]),
        st.sampled_from(["", "5", "10s"]), st.sampled_from(["", "16:9"]), st.just(""),
        st.sampled_from(["", "yes", "f"]), st.just("") | TEXTS, TEXTS, TEXTS),
    min_size=1, max_size=4,
)  # fmt: skip


def jobs(found: Read) -> list[Any]:
    """Everything of the rows but the line that they stand on."""
    assert found.fatal == []
    assert found.columns == ("scene", "shot")
    return [replace(row, line=0) for row in found.rows]


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_rows_give_the_same_jobs_in_every_format(tmp_path: Path, name: str) -> None:
    WRITERS["rows.csv"](tmp_path / "plain.csv", list(ROWS))
    WRITERS[name](tmp_path / name, list(ROWS))
    expected = jobs(read_file(tmp_path / "plain.csv"))
    assert len(expected) == len(ROWS) + 2  # of the seeds, two rows become two
    assert jobs(read_file(tmp_path / name)) == expected


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("name", [name for name in WRITERS if name != "rows.ods"])  # which has paragraphs instead
def test_prompts_are_the_same_whatever_the_ends_of_their_lines(tmp_path: Path, name: str, end: str) -> None:
    def rows(end: str) -> list[tuple[str, ...]]:
        return [
            ("plain", f"two{end}lines", "1", *[""] * 6, f"a{end}b{end}", "", ""),
            ("doubted", f"=two(){end}lines", "", "1-2", *[""] * 5, f" c{end}{end}d", "", ""),
        ]

    WRITERS["rows.csv"](tmp_path / "plain.csv", rows("\n"))
    WRITERS[name](tmp_path / name, rows(end))
    expected = jobs(read_file(tmp_path / "plain.csv"))
    assert [row.request.prompt for row in expected] == ["two\nlines", *["=two()\nlines"] * 2]
    assert jobs(read_file(tmp_path / name)) == expected


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_rows_through_a_pipe_give_the_same_jobs(tmp_path: Path, name: str) -> None:
    WRITERS["rows.csv"](tmp_path / "plain.csv", list(ROWS))
    WRITERS[name](tmp_path / name, list(ROWS))
    (tmp_path / "batch").mkdir()
    with (tmp_path / name).open("rb") as stream, spooled(stream, tmp_path / "batch", format_of(Path(name))) as path:
        assert jobs(read_file(path)) == jobs(read_file(tmp_path / "plain.csv"))


@pytest.mark.parametrize("name", ["same.xlsx", "same.ods"])
def test_the_same_rows_saved_by_libreoffice_give_the_same_jobs(tmp_path: Path, name: str) -> None:
    WRITERS["rows.csv"](tmp_path / "plain.csv", list(ROWS))
    assert jobs(read_file(DATA / name)) == jobs(read_file(tmp_path / "plain.csv"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS)
def test_any_rows_give_the_same_jobs_in_every_format(tmp_path: Path, records: list[tuple[str, ...]]) -> None:
    assert all(len(record) == len(HEADER) for record in records)
    read = []
    for name, write in WRITERS.items():
        write(tmp_path / name, records)
        read.append(jobs(read_file(tmp_path / name)))
    assert all(found == read[0] for found in read)
