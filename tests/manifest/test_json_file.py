"""JSON and JSON Lines: every value keeps its text, and every mistake its place."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.manifest.json_nodes import Cursor
from batchgen.manifest.nodes import Keyed, Many, Node, Text
from batchgen.manifest.records import Unreadable
from tests.manifest.reading import Read, read


def read_json(folder: Path, text: str | bytes, name: str = "b.json") -> Read:
    return read(folder, text, name)


REFUSED = [
    ('\n{"prompt": "a"}\n{"prompt": "b"}\n', 1, "1", "name the file .jsonl"),
    ('[{"prompt": "a", "prompt": "b"}]', 1, "18", "appears twice"),
    ('[{"prompt": "a", "PROMPT ": "b"}]', 1, "18", "appears twice"),
    ('[{"prompt": "a",\n "seed": NaN}]', 2, "10", "not a JSON number"),
    ('[{"prompt": "a", "seed": -Infinity}]', 1, "26", "not a JSON number"),
    ('[{"prompt": "a", "seed": 1.5}]', 1, "26", 'seed "1.5" is not whole'),
    ('[{"prompt": "a", "seed": 1e3}]', 1, "26", 'seed "1e3" is not a whole number'),
    ('[{"prompt": "a", "seed": -1}]', 1, "26", 'seed "-1"'),
    ('[{"prompt": "a", "seed": 9223372036854775808}]', 1, "26", "too large"),
    ('[{"prompt": null}]', 1, "13", "the prompt is missing"),
    ('[{"prompt": "a", "x": {"y": 1}}]', 1, "23", "must be a text"),
    ('[{"promt": "a"}]', 1, "3", "rename it to prompt"),
    ('[{"prompt": "\\ud800"}]', 1, "13", "no text can have"),
    ('[{"prompt": "\\u0000"}]', 1, "13", "no text can have"),
    ('[\n{"prompt": "a",}]', 2, "16", "a key in double quotes"),
    ('[{"prompt": "a"},\n]', 2, "1", "a value should stand here"),
    ('[{"prompt": "a\nb"}]', 1, "15", "Invalid control character"),
    ("[{'prompt': 1}]", 1, "3", "a key in double quotes"),
    ('[{"prompt" "a"}]', 1, "12", "a colon"),
    ('[{"prompt": "a"} {"prompt": "b"}]', 1, "18", "a comma or ]"),
    ('[{"prompt": "a"}', 1, "17", "a comma or ]"),
    ('[{"prompt": "a"}] x', 1, "19", "after the end"),
    ('{"jobs": [{"prompt": "a"}], "jobs": []}', 1, "29", "appears twice"),
    ('{"job": [{"prompt": "a"}]}', 1, "2", "did you mean jobs"),
    ('{"prompt": "a"}', 1, "2", "write defaults:, vars: and jobs: only"),
    ('{"jobs": {"prompt": "a"}}', 1, "10", "must be a list"),
    ('{"jobs": []}', 1, None, "no job below"),
    ("[]", 1, None, "no job below"),
    ("7", 1, "1", "must be a list of jobs"),
    ('[{"prompt": tru}]', 1, "13", "a value should stand here"),
    ("[01]", 1, "3", "a comma or ]"),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), REFUSED)
def test_what_cannot_be_taken_is_refused_where_it_stands(
    tmp_path: Path, text: str, line: int, column: str | None, words: str
) -> None:
    found = read_json(tmp_path, text)
    assert [(p.line, p.column) for p in found.fatal][:1] == [(line, column)], found.told
    assert words in found.told


def test_numbers_keep_their_text_wherever_they_stand(tmp_path: Path) -> None:
    text = '[{"prompt": 007.5}]'.replace("007.5", "7.50") + " "
    assert read_json(tmp_path, text).prompts == ["7.50"]
    own = '[{"prompt": "a", "seed": 9223372036854775807, "x": 1.0, "y": 12345678901234567890123, "z": true, "n": null}]'
    (row,) = read_json(tmp_path, own).rows
    assert row.request.seed == 2**63 - 1
    assert row.extras == {"x": "1.0", "y": "12345678901234567890123", "z": "true", "n": ""}


def test_sections_hold_for_the_jobs_wherever_they_stand(tmp_path: Path) -> None:
    document = {"jobs": [{"prompt": "a {s} cat", "seeds": [1, 2]}, "b"], "defaults": {"resolution": "720p"}}
    found = read_json(tmp_path, json.dumps(document | {"vars": {"s": ["x", "y"]}}, indent=2))
    assert found.problems == []
    assert [(r.prompt, r.seed, r.resolution) for r in found.requests] == [
        ("a x cat", 1, "720p"), ("a y cat", 1, "720p"), ("a x cat", 2, "720p"), ("a y cat", 2, "720p"),
        ("b", None, "720p")]  # fmt: skip
    assert [row.line for row in found.rows] == [3, 3, 3, 3, 10]


def test_each_line_of_json_lines_stands_for_itself(tmp_path: Path) -> None:
    text = '\ufeff{"prompt": "a"}\r\n\r\n{"prompt": }\n"b"\n{"prompt": "c"} {"prompt": "d"}\n'
    found = read_json(tmp_path, text + '{"prompt": "e", "seed": "x"}\n', "b.jsonl")
    assert found.prompts == ["a", "b"]
    assert [(row.number, row.line) for row in found.rows] == [(1, 1), (3, 4)]
    assert [(p.line, p.column) for p in found.fatal] == [(3, "12"), (5, "17"), (6, "25")]


def test_an_empty_file_is_said_to_be_one(tmp_path: Path) -> None:
    for name in ("b.json", "b.jsonl"):
        assert "the file is empty" in read_json(tmp_path, " \n \n", name).told


def test_bytes_that_are_no_text_are_told_by_their_place(tmp_path: Path) -> None:
    for name in ("b.json", "b.ndjson"):
        assert "0xe9" in read_json(tmp_path, b'[{"prompt": "caf\xe9"}]', name).told


STRINGS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAMES = st.text("xyzé ", min_size=1, max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def plain(node: Node) -> object:
    match node:
        case Text():
            return node.value
        case Many():
            return [plain(item) for item in node.items]
        case Keyed():
            return {key: plain(value) for key, (_, value) in node.entries.items()}
    raise AssertionError(node)


def as_text(value: object) -> object:
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


@settings(max_examples=200)
@given(value=VALUES, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_whatever_json_writes_is_read_as_text(value: object, indent: int | None, ascii_only: bool) -> None:
    problems: list[object] = []
    cursor = Cursor(json.dumps(value, indent=indent, ensure_ascii=ascii_only), problems)  # type: ignore[arg-type]
    assert plain(cursor.value()) == as_text(value)
    assert cursor.next() == ""
    assert problems == []


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from('[]{}",:\\u01e.-ntrfalsep \n'), max_size=25))
def test_what_is_no_json_is_refused_and_what_is_json_is_read(text: str) -> None:
    def refuse(_: str) -> None:
        raise ValueError

    try:
        json.loads(text, parse_constant=refuse)
        good = True
    except ValueError:
        good = False
    cursor = Cursor(text, [])
    try:
        cursor.value()
        read_whole = not cursor.next() and not cursor.problems
    except Unreadable:
        read_whole = False
    # Stricter than json in this alone: duplicate keys and half characters.
    assert read_whole == good or (good and (cursor.problems or "\\ud" in text))
