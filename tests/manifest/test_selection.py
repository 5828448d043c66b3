"""--only, --shard, --limit: which rows a run is to make."""

import random
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.errors import UsageError
from batchgen.manifest.selection import Picker, Selection, parse, shard_of
from batchgen.model import Present, State

ROWS = [
    Present(1, "fox-s1", 1, "d1", True, State.ARCHIVED, '{"seed":1}'),
    Present(1, "fox-s2", 1, "d2", True, State.FAILED, '{"seed":2}'),
    Present(2, "tea", 2, "d3", False, State.EXPIRED),
    Present(3, "10", 3, "d4", False, State.PENDING),
    Present(4, "2024", 4, "d6", False, State.PENDING),
    Present(5, "5", 5, "d7", False, State.PENDING),
    Present(8, "6-7", 8, "d8", False, State.PENDING),
    Present(9, "9-12", 9, "d9", False, State.PENDING),
    Present(10, "a,b", 10, "d5", False, State.PENDING),
]


def picked(rows: list[Present], selection: Selection) -> Iterator[Present]:
    return filter(Picker(selection).takes, rows)


def ids(only: str | None = None, shard: str | None = None, limit: int | None = None) -> list[str]:
    return [row.id for row in picked(ROWS, parse(only, shard, limit))]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("tea", ["tea"]),
        ("fox*", ["fox-s1", "fox-s2"]),
        ("fox-s?, tea", ["fox-s1", "fox-s2", "tea"]),
        ("fox", ["fox-s1", "fox-s2"]),
        ("id:fox", ["fox-s1", "fox-s2"]),
        ("fo", []),
        ("TEA", []),
        ("1", ["fox-s1", "fox-s2"]),
        ("2-3", ["tea", "10"]),
        ("row:3", ["10"]),
        ("row:10", ["a,b"]),
        ("id:10", ["10"]),
        ("2024", ["2024"]),
        ("4-5", ["2024", "5"]),
        ("5", ["5"]),
        ("6-7", ["6-7"]),
        ("id:9-12", ["9-12"]),
        ("row:9-12", ["9-12", "a,b"]),
        ("id:a?b", ["a,b"]),
        ("status:failed", ["fox-s2"]),
        ("status:failed,status:expired,10-", ["fox-s2", "tea"]),
        (" , tea, ", ["tea"]),
    ],
)
def test_only_takes_ids_globs_numbers_and_states(only: str, expected: list[str]) -> None:
    assert ids(only) == expected


def of_columns(identity: str, number: int, request: str, extras: str = "") -> Present:
    return Present(number, identity, number, f"d{number}", False, State.PENDING, request, extras)


COLUMNS = [
    of_columns(
        "tall", 1, '{"aspect_ratio":"9:16","duration":5,"prompt":"A fox"}', '{"Client":"Nordwind","Stage 1":"x"}'
    ),
    of_columns("wide", 2, '{"aspect_ratio":"16:9","seed":5,"prompt":"A cat"}', '{"Client":"Müller & Söhne"}'),
    of_columns("Client:Nordwind", 3, '{"prompt":"none"}'),
    of_columns("shot[2]", 4, '{"prompt":"none"}'),
]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("aspect_ratio:9:16", ["tall"]),
        ("Aspect Ratio:16:9", ["wide"]),
        ("duration:5,seed:5", ["tall", "wide"]),
        ("duration:*", ["tall"]),
        ("prompt:*fox*", ["tall"]),
        ("Client:Nordwind", ["tall", "Client:Nordwind"]),
        ("client: MÜLLER*", ["wide"]),
        ("Client:Nord", []),
        ("stage 1:x", ["tall"]),
        ("id:Client:Nordwind", ["Client:Nordwind"]),
        ("shot[2]", ["shot[2]"]),
    ],
)
def test_only_takes_whole_values_of_columns(only: str, expected: list[str]) -> None:
    assert [row.id for row in picked(COLUMNS, parse(only))] == expected


def test_a_value_that_no_column_has_is_told_as_such() -> None:
    picker = Picker(parse("Clinet:Nordwind"))
    assert not any(map(picker.takes, COLUMNS))
    assert picker.has_missed
    assert next(picker.remarks()) == (
        '--only "Clinet:Nordwind" is not any row\'s: it is no id, and no value of a column that is called so'
    )


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("10", "--only 10 is the id of row 3, and counts others; write id:10 or row:10"),
        ("tea,9-12", "--only 9-12 is the id of row 9, and counts others; write id:9-12 or row:9-12"),
    ],
)
def test_a_number_that_is_one_rows_id_and_counts_another_is_refused(only: str, told: str) -> None:
    asked = [row for row in ROWS if row.id != "10" or only == "10"]  # which lies between 9 and 12
    for rows in (asked, asked[::-1]):
        with pytest.raises(UsageError, match=told):
            list(picked(rows, parse(only)))


@pytest.mark.parametrize(("only", "told"), [("2-3", "3 is the id of row 1"), ("1001-1002", "1001 is the id of row 1")])
def test_a_range_that_may_mean_ids_is_refused(only: str, told: str) -> None:
    names = {"2-3": "312", "1001-1002": ("1001", "1002", "x")}[only]
    rows = [row._replace(id=name, number=n) for n, (row, name) in enumerate(zip(ROWS, names, strict=False), 1)]
    with pytest.raises(UsageError, match=f"^--only {only} counts rows, and {told}: write row:{only} if rows are meant"):
        list(picked(rows, parse(only)))
    assert [row.id for row in picked(rows, parse("row:2-3"))] == list(names[1:])
    assert [row.id for row in picked([row._replace(id=str(row.number)) for row in rows], parse("2-3"))] == ["2", "3"]


SORTED = [
    Present(n, f"{name}-s{seed}", row, f"d{n}", True, State.PENDING, f'{{"seed":{seed}}}')
    for n, (row, name, seed) in enumerate((row, name, seed) for row, name in ((1, 7), (2, 1)) for seed in (1, 2))
]  # by scene, say: the sheet's ids are no longer the rows' numbers


def test_a_row_of_several_seeds_is_known_by_the_id_that_the_sheet_gives_it() -> None:
    assert [row.id for row in picked(SORTED, parse("id:1"))] == ["1-s1", "1-s2"]
    assert [row.id for row in picked(SORTED, parse("7"))] == ["7-s1", "7-s2"]
    assert [row.id for row in picked(SORTED, parse("1-s2"))] == ["1-s2"]
    own = Present(9, "7-s5", 1, "d9", True, State.PENDING, '{"seed":55}')
    assert list(picked([own], parse("id:7"))) == []
    for rows in (SORTED, SORTED[::-1]):
        with pytest.raises(UsageError, match="--only 1 is the id of row 2, and counts others; write id:1 or row:1"):
            list(picked(rows, parse("1")))
        with pytest.raises(UsageError, match="--only 2-7 counts rows, and 7 is the id of row 1: write row:2-7 if"):
            list(picked(rows, parse("2-7")))


def test_ids_are_ids_whatever_they_look_like() -> None:
    def of(*ids: str, limit: int | None = None) -> list[str]:
        return [row.id for row in picked(ROWS, parse(ids, limit=limit))]

    assert of("a,b", "10", "9-12") == ["10", "9-12", "a,b"]
    assert of("fox*", "1", "status:failed", "row:2", "id:tea", "2-3") == []
    assert of("fox-s2", "tea", "5", limit=2) == ["fox-s2", "tea"]
    assert of("fox", "5") == ["fox-s1", "fox-s2", "5"]


def test_ids_that_no_row_has_are_told_together() -> None:
    picker = Picker(parse(["tea", *(f"no{n}" for n in range(7))]))
    assert [row.id for row in ROWS if picker.takes(row)] == ["tea"]
    assert list(picker.remarks()) == ['--only names 7 ids that no row has: "no0", "no1", "no2", "no3", "no4", ...']
    assert not picker.has_missed
    none = Picker(parse(["status:failed"]))
    assert [row for row in ROWS if none.takes(row)] == []
    assert none.has_missed


def test_limit_takes_the_first_of_those_that_are_asked_for() -> None:
    assert ids(limit=2) == ["fox-s1", "fox-s2"]
    assert ids("tea,row:10", limit=1) == ["tea"]
    assert ids("2-3", limit=9) == ["tea", "10"]


def test_nothing_said_selects_everything() -> None:
    assert not parse()
    assert ids() == [row.id for row in ROWS]


@pytest.mark.parametrize(
    ("only", "shard", "limit", "words"),
    [
        ("", None, None, "selects nothing"),
        ([], None, None, "would make nothing"),
        ("status:faild", None, None, "did you mean failed"),
        ("20-10", None, None, "10-20"),
        ("row:x", None, None, "row:10"),
        (None, "0/4", None, "1/4"),
        (None, "5/4", None, "1/4"),
        (None, "1", None, "1/4"),
        (None, None, 0, "from 1"),
    ],
)
def test_what_selects_nothing_that_can_be_is_bad_usage(
    only: Any, shard: str | None, limit: int | None, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        parse(only, shard, limit)


def test_a_term_that_is_no_rows_is_told() -> None:
    picker = Picker(parse("fo,te?,zebra*,70-80"))
    assert [row.id for row in ROWS if picker.takes(row)] == ["tea"]
    assert picker.unmet == ("fo", "zebra*", "70-80")
    assert list(picker.remarks()) == [
        '--only "fo" is not any row\'s; write fo* for ids that begin so, or COLUMN:fo for what a column holds',
        '--only "zebra*" is not any row\'s',
        '--only "70-80" is not any row\'s',
    ]


ROWS_OF_A_SHEET = st.lists(
    st.builds(
        Present,
        *(st.just(1), st.text(max_size=5), st.integers(1, 9), st.sampled_from("abcdef"), st.booleans()),
        st.just(State.PENDING),
    ),
    max_size=30,
)  # fmt: skip


@given(rows=ROWS_OF_A_SHEET, shards=st.integers(1, 7), seed=st.integers())
def test_shards_are_disjoint_complete_and_the_same_however_the_sheet_is_sorted(
    rows: list[Present], shards: int, seed: int
) -> None:
    parts = [list(picked(rows, parse(shard=f"{i}/{shards}"))) for i in range(1, shards + 1)]
    assert sorted(chain.from_iterable(parts)) == sorted(rows)
    mixed = random.Random(seed).sample(rows, len(rows))
    assert sorted(picked(mixed, parse(shard=f"1/{shards}"))) == sorted(parts[0])


def test_rows_that_share_a_task_are_in_one_shard() -> None:
    twins = [Present(n, f"id{n}", n, "same", True, State.PENDING) for n in range(50)]
    takes = [Present(n, f"id{n}", n, "same", False, State.PENDING) for n in range(50)]
    assert len({shard_of(row, 5) for row in twins}) == 1
    assert len({shard_of(row, 5) for row in takes}) == 5


def test_shards_stay_what_they_are_in_later_versions() -> None:
    assert [shard_of(row, 4) for row in ROWS] == [
        shard_of(row._replace(number=99, state=State.FAILED), 4) for row in ROWS
    ]
    assert [shard_of(row, 4) for row in ROWS] == [3, 1, 1, 2, 1, 4, 2, 1, 2]
