"""Properties that hold of any manifest: both formats agree, nothing is changed on the way, guards come off again."""

import csv
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from batchgen.manifest.expand import suffix
from batchgen.manifest.formulas import guard, unguard
from batchgen.manifest.headings import resembles
from batchgen.manifest.quoting import quoted
from batchgen.manifest.rules import Cells, Rules
from batchgen.request import with_newlines
from tests.manifest.reading import read, read_file

SAMPLES = Path(__file__).parents[2] / "manifests"
MANY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
# What may stand in a file: no NUL, no lone surrogate; what may stand in a prompt: no other control character either.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
HOSTILE = st.text(st.sampled_from("ab ,;\t\"'\r\n\ufeff|é🦊"), max_size=8)
PROMPTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\t\n\r"), min_size=1, max_size=30
).filter(str.strip)
WESTERN = st.text(st.sampled_from("aé ü,\"\n'ß"), max_size=8)


def sheet(rows: list[list[str]], quoting: int, delimiter: str, end: str) -> str:
    buffer = StringIO(newline="")
    csv.writer(buffer, quoting=quoting, delimiter=delimiter, lineterminator=end).writerows(rows)  # type: ignore[arg-type]
    return buffer.getvalue()


def double_quoted(text: str) -> str:
    """A YAML scalar; letters as they are, whatever else may mean something escaped."""
    plain = (letter if letter.isalnum() or letter in " :#,-/.{}" else f"\\U{ord(letter):08x}" for letter in text)
    return f'"{"".join(plain)}"'


@MANY
@given(
    rows=st.lists(st.tuples(PROMPTS, CELLS | HOSTILE, HOSTILE), min_size=1, max_size=6),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
)
@example(rows=[("a\r", "\ufeff", "\n")], quoting=csv.QUOTE_ALL, delimiter=",", end="\r", encoding="utf-8")
def test_what_csv_writes_is_read_back_to_the_character(
    tmp_path: Path, rows: list[tuple[str, str, str]], quoting: int, delimiter: str, end: str, encoding: str
) -> None:
    if quoting == csv.QUOTE_MINIMAL:
        end = "\r\n"  # csv.writer quotes only the line ends that it writes itself
    text = sheet([["x", "prompt", "y"], *([a, prompt, b] for prompt, a, b in rows)], quoting, delimiter, end)
    found = read(tmp_path, text.encode(encoding), encoding=None if encoding.startswith("utf-8") else encoding)
    assert not found.fatal
    assert found.prompts == [with_newlines(prompt) for prompt, _, _ in rows]
    assert [row.extras for row in found.rows] == [{"x": a, "y": b} for _, a, b in rows]


@MANY
@given(rows=st.lists(st.tuples(WESTERN, WESTERN), min_size=1, max_size=5))
def test_a_western_encoding_is_read_back_when_named(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    text = sheet([["prompt", "x"], *(["|" + a, b] for a, b in rows)], csv.QUOTE_MINIMAL, ",", "\r\n")
    found = read(tmp_path, text.encode("cp1252"), encoding="cp1252")
    assert [(row.request.prompt, row.extras["x"]) for row in found.rows] == [("|" + a, b) for a, b in rows]


@MANY
@given(text=st.text(st.sampled_from("ab,\"\r\n \ufeff;'"), max_size=40))
@example(text='";\r",')
def test_a_sheet_is_read_as_a_strict_csv_reader_reads_it(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, "prompt,x\n" + text)
    try:
        records = list(csv.reader(StringIO(text, newline=""), strict=True))
    except csv.Error:
        assert found.fatal
    else:
        whole = [record for record in records if len(record) == 2 and record[0].strip()]
        wanted = [[with_newlines(prompt), x] for prompt, x in whole]
        assert [[row.request.prompt, row.extras["x"]] for row in found.rows] == wanted


VALUES = {
    "prompt": PROMPTS,
    "negative_prompt": st.sampled_from(["", "null", "no", "low quality, blurry", "~x", "12"]),
    "mode": st.sampled_from(["", "text-to-video", "Text-To-Video", "nonsense"]),
    "resolution": st.sampled_from(["", "720p", "1080P", " 720p ", "4k"]),
    "duration": st.sampled_from(["", "5", "10 s", "05", "7"]),
    "aspect_ratio": st.sampled_from(["", "16:9", "9:16", "1:1", "4:3"]),
    "image_urls": st.sampled_from(["", "https://a/b.png", "https://a/b https://c/d", "x"]),
    "seed": st.sampled_from(["", "0", "007", "1.5"]) | st.integers(0, 2**63 - 1).map(str),
    "enable_prompt_expansion": st.sampled_from(["", "yes", "NO", "Off", "1", "perhaps"]),
    "provider": st.sampled_from(["", "auto", "VALUE"]),
    "id": st.sampled_from(["", "a", " b ", "007", "null"]),
}


@MANY
@given(rows=st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=4))
def test_a_csv_and_a_yaml_of_the_same_rows_are_the_same_requests(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    text = sheet([list(VALUES), *([row[name] for name in VALUES] for row in rows)], csv.QUOTE_MINIMAL, ",", "\r\n")
    lines = [f"  {name}: {double_quoted(row[name])}" for row in rows for name in VALUES]
    items = ["- " + line[2:] if n % len(VALUES) == 0 else line for n, line in enumerate(lines)]
    of_csv = read(tmp_path, text)
    of_yaml = read(tmp_path, "jobs:\n" + "\n".join(items) + "\n", "batch.yaml")
    assert of_csv.requests == of_yaml.requests
    assert of_csv.ids == of_yaml.ids
    assert sorted(p.message for p in of_csv.problems) == sorted(p.message for p in of_yaml.problems)


@MANY
@given(text=st.text() | st.text(st.sampled_from("'=+-@\t\r\n＝＋－＠ a\u00a0"), max_size=6))
def test_unguard_is_the_inverse_of_guard_and_guarded_cells_never_begin_a_formula(text: str) -> None:
    assert unguard(guard(text)) == text
    assert not guard(text).lstrip(" \u00a0").startswith(tuple("=+-@\t\r\n＝＋－＠"))


@pytest.mark.parametrize("text", ["'tis", "plain", "", "'"])
def test_an_apostrophe_that_guard_would_not_set_is_left_alone(text: str) -> None:
    assert unguard(text) == text


@given(text=st.text())
def test_what_is_shown_of_a_value_is_short_and_printable(text: str) -> None:
    assert quoted(text).isprintable()
    assert len(quoted(text)) <= 63 * 10


@pytest.mark.parametrize(
    ("name", "meant"),
    [("promt", "prompt"), ("prompts", "prompt"), ("Prompt ", "prompt"), ("pormpt", "prompt"),
     ("aspect ratio", "aspect_ratio"),
     ("AspectRatio", "aspect_ratio"), ("aspect_ration", "aspect_ratio"), ("image_url", "image_urls"),
     ("Image URL", "image_urls"),
     ("Negative-Prompt", "negative_prompt"), ("negativ_prompt", "negative_prompt"), ("resolutoin", "resolution"),
     ("durations", "duration"), ("enable_prompt_expansions", "enable_prompt_expansion"), ("providers", "provider")],
)  # fmt: skip
def test_a_misspelled_parameter_is_recognised(name: str, meant: str) -> None:
    assert resembles(name) == meant


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "modes",
        "notes",
        "scene",
        "title",
        "name",
        "style",
        "lens",
        "ids",
        "needs",
        "feeds",
        "speed",
        "location",
        "rotation",
        "revolution",
        "provided",
        "promo",
        "note",
        "prompt2",
        "prompt_v2",
        "shot",
        "camera",
        "status",
        "client",
        "project",
        "url",
        "images",
        "rating",
        "version",
        "author",
        "language",
        "voice",
    ],
)
def test_a_word_of_ones_own_is_not_taken_for_a_misspelling(name: str) -> None:
    assert resembles(name) is None


@pytest.mark.parametrize(
    ("key", "value", "adds"),
    [("seeds", "007", "-s7"), ("aspect_ratio", "16:9", "-16x9"), ("style", "noir", "-noir"),
     ("prompt", "a b", "-c8687a08"), ("style", "film noir", "-9feabd12"),
     ("style", "a-word-of-25-characters-x", "-d6491eca"),
     ("style", "", "-e3b0c442")],
)  # fmt: skip
def test_a_suffix_comes_from_the_value_alone(key: str, value: str, adds: str) -> None:
    assert suffix(key, value) == adds


@pytest.mark.parametrize("sample", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
def test_each_sample_has_no_problems_and_ids_that_differ(sample: Path) -> None:
    found = read_file(sample)
    assert found.problems == []
    assert len(found.rows) >= 5
    given_ids = [name for name in found.ids if name]
    assert len(set(given_ids)) == len(given_ids)


def test_cells_are_the_parameters_of_a_request_and_two_more() -> None:
    from dataclasses import fields

    from batchgen.request import Request

    assert {*Cells._fields} == {field.name for field in fields(Request)} - {"model"} | {"id", "seeds"}


@pytest.mark.parametrize("name", ["sheet.csv", "sheet.tsv"])
def test_neither_pandas_nor_yaml_is_loaded_for_a_sheet_of_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("prompt\na\n")
    code = (
        "import sys; from pathlib import Path; from batchgen.manifest import open_manifest; "
        f"print(len(list(open_manifest(Path({name!r}), model='wan-2-5'))), "
        "'pandas' in sys.modules, 'yaml' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["1", "False", "False"]


@pytest.mark.parametrize(
    ("name", "cell", "told"),
    [
        ("seeds", f"1{' ' * 200_000}-{' ' * 20_000}4", None),  # to look for a dash from each blank anew takes hours
        ("seeds", f"1{' ' * 400_000}-4", "has 400003 characters"),
        ("seeds", f"{'0' * 100_000}1-2", None),
        ("seed", "0" * 10_000, None),
        ("seed", f"{'0' * 10_000}{2**63}", "is too large"),
        ("seeds", ",".join(map(str, [*range(9_999), 9_998])), "9998 twice"),
    ],
)
def test_a_cell_of_seeds_is_judged_however_long_it_is(name: str, cell: str, told: str | None) -> None:
    made, findings = Rules("wan-2-5").judge(Cells(**{"prompt": "a lake", name: cell}))
    assert (made is None) == bool(told)
    assert all(told and told in finding.message for finding in findings)
