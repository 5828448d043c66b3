"""Names that every file system takes, that lead nowhere else, and that stay apart."""

import re
import unicodedata
from dataclasses import replace
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchgen.errors import UsageError
from batchgen.model import Row
from batchgen.request import Request
from batchgen.rows import Rows
from batchgen.sheet.naming import MOST_BYTES, Template, apart, content_id, fold, slug

RESERVED = {"CON", "PRN", "AUX", "NUL"} | {port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"}


def row(prompt: str = "A cat", number: int = 7, **request: object) -> Row:
    return Row(number, number + 1, Request("wan-2-5", "text-to-video", prompt, **request))  # type: ignore[arg-type]


def named(template: str, id_: str = "x1", of: Row | None = None) -> str:
    return Template(template).name(of or row(), id_)


def assert_safe(name: str) -> None:
    stem = name.removesuffix(".mp4")
    assert name.endswith(".mp4")
    assert stem
    assert len(name.encode()) <= MOST_BYTES
    assert not set(name) & set('/\\<>:"|?*')
    assert name.isprintable()
    assert not any(unicodedata.category(char)[0] == "C" for char in name)
    assert unicodedata.is_normalized("NFC", name)
    assert stem[0] not in ".- "
    assert stem[-1] not in ". "
    assert stem.partition(".")[0].strip().upper() not in RESERVED
    assert name.isascii() or "/" not in unicodedata.normalize("NFKC", name)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{id}", "x1.mp4"),
        ("{id}.mp4", "x1.mp4"),
        ("{row}-{slug}", "7-a-cat.mp4"),
        ("video {row} ({seed})", "video 7 (42).mp4"),
        ("{mode}_{resolution}_{duration}_{aspect_ratio}_{provider}", "text-to-video_720p_5_16x9_fast.mp4"),
        ("{{{id}}}", "{x1}.mp4"),
        ("{id}:{seed}", "x1-42.mp4"),
    ],
)
def test_a_template_is_filled_from_the_row(template: str, name: str) -> None:
    full = row(seed=42, resolution="720p", duration=5, aspect_ratio="16:9", provider="fast")
    assert named(template, of=full) == name


def test_the_hash_is_that_of_the_request() -> None:
    assert named("{hash}") == row().request.digest[:12] + ".mp4"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{id}-{seed}-{row}", "x1-7.mp4"),
        ("{id}_{seed}-{row}", "x1_7.mp4"),
        ("{id}-{seed}", "x1.mp4"),
        ("{seed}-{id}", "x1.mp4"),
        ("{seed}-{resolution}_{duration}", "video.mp4"),
        ("{id} - {seed}{duration} - {row}", "x1 7.mp4"),
        ("{id}--{row}", "x1--7.mp4"),
    ],
)
def test_a_missing_value_leaves_no_doubled_separator(template: str, name: str) -> None:
    assert named(template) == name


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a/{id}", "one folder"),
        ("..\\{id}", "one folder"),
        ("video", "at least one"),
        ("", "at least one"),
        ("{id", "braces"),
        ("}", "braces"),
        ("{id!r}", "takes no"),
        ("{row:04}", "takes no"),
    ],
)
def test_a_template_that_cannot_name_a_file_is_bad_usage_and_told_why(template: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        Template(template)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{sed}", "{seed}"),
        ("{Id}", "did you mean {id}"),
        ("{zzz}", "there are {id}, {row}"),
        ("{sed} {promt}", "{promt}"),
        ("{}", "no field"),
        ("{id.real}", "no field"),
        ("{id[0]}", "no field"),
        ("{scene}{sceene}", "there is no field {sceene}: did you mean {Scene}?"),
    ],
)
def test_a_field_that_is_none_and_no_column_either_is_told(template: str, words: str) -> None:
    assert words in (Template(template).lack(["Scene"]) or "")


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{scene}-{row}", "The lake- dawn-7.mp4"),
        ("{SCENE}", "The lake- dawn.mp4"),
        ("{Shot ID}_{take}", "S 1.mp4"),  # a cell that is blank
        ("{id}", "x1.mp4"),
        ("{lost}-{id}", "x1.mp4"),  # a row of YAML that does not have it
    ],
)
def test_a_column_of_the_sheets_own_may_name_videos(template: str, name: str) -> None:
    of = replace(row(), extras={"scene": "The lake: dawn", " Shot ID ": "S 1", "take": ""})
    wanted = Template(template)
    assert wanted.lack([*of.extras, "lost"]) is None
    assert wanted.name(of, "x1") == name
    assert_safe(name)


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("../../x", "x.mp4"),
        ("/etc/passwd", "etc-passwd.mp4"),
        ("C:\\x", "C--x.mp4"),
        ("..\\x", "x.mp4"),
        ("a\0b", "a-b.mp4"),
        ("%2e%2e", "%2e%2e.mp4"),
        ("-rf", "rf.mp4"),
        (".hidden", "hidden.mp4"),
        ("CON", "_CON.mp4"),
        ("nul.txt", "_nul.txt.mp4"),
        ("com¹", "_com¹.mp4"),
        ("con ", "_con.mp4"),
        ("a. . ", "a.mp4"),
        ("...", "video.mp4"),
        ("", "video.mp4"),
        ("\u202e4pm.exe", "4pm.exe.mp4"),
        ("\x1b]0;x\x07", "]0;x-.mp4"),
        ("a\nb", "a-b.mp4"),
        ("a\u3000b", "a b.mp4"),
        ("a／b", "a-b.mp4"),
        ("cafe\u0301", "café.mp4"),
        ("Ünï-日本", "Ünï-日本.mp4"),
        ("\ud800x", "x.mp4"),
    ],
)
def test_a_hostile_id_stays_a_plain_name(id_: str, name: str) -> None:
    assert named("{id}", id_) == name
    assert_safe(name)


def test_long_names_are_cut_between_characters_and_stay_apart() -> None:
    names = [named("{id}", "é" * 150 + ending) for ending in "ab"]
    assert names[0] != names[1]
    for name in names:
        assert_safe(name)
        assert len(name.encode()) > MOST_BYTES - 4
        assert re.fullmatch(r"é+-[0-9a-f]{8}\.mp4", name)
        assert re.fullmatch(r"é+-[0-9a-f]{8}-2\.mp4", apart(name, "2"))
    assert len({apart(name, "2") for name in names}) == 2
    assert named("{id}", "a" * 196) == "a" * 196 + ".mp4"


@pytest.mark.parametrize(
    "twins",
    [
        ("a.mp4", "A.MP4"),
        ("café.mp4", "cafe\u0301.mp4"),
        ("Straße.mp4", "STRASSE.mp4"),
        ("ﬁn.mp4", "fin.mp4"),
        ("Å.mp4", "\u212b.mp4"),
        ("K.mp4", "\u212a.mp4"),
        ("ı.mp4", "I.mp4"),
        ("ſ.mp4", "s.mp4"),
        ("ΣΑΣ.mp4", "σας.mp4"),
        ("a.mp4", "a.mp4. "),
        ("ａ.mp4", "a.mp4"),
    ],
)
def test_names_that_some_file_system_takes_for_one_fold_to_one(twins: tuple[str, str]) -> None:
    assert fold(twins[0]) == fold(twins[1])


def test_names_that_no_file_system_takes_for_one_stay_two() -> None:
    names = ["a.mp4", "b.mp4", "a-1.mp4", "a_1.mp4", "e.mp4", "é.mp4", "日.mp4", "本.mp4"]
    assert len(set(map(fold, names))) == len(names)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A cat, dancing!", "a-cat-dancing"),
        ("Café Größe", "cafe-grosse"),
        ("don't stop", "dont-stop"),
        ("日本語", ""),
        ("", ""),
        ("--- ...", ""),
        ("ﬁne ½ ①", "fine-1-2-1"),
        ("one two three four five six seven eight nine", "one-two-three-four-five-six-seven-eight"),
        ("x" * 50, "x" * 40),
        ("a" * 40 + " b", "a" * 40),
    ],
)
def test_a_slug_is_the_first_words_in_plain_letters(prompt: str, expected: str) -> None:
    assert slug(prompt) == expected


def test_a_row_without_an_id_is_called_by_what_it_asks_for() -> None:
    digest = row(seed=0).request.digest
    assert content_id("A cat", 0, digest) == f"a-cat-s0-{digest[:12]}"
    assert content_id("猫", None, digest) == digest[:12]


TRICKY = st.sampled_from(
    ["/", "\\", "..", "CON", "nul", ".", " ", "-", "\0", "\u202e", "\u0301", "ß", "İ", "ﬁ", "\ud800"]
)
TEXT = st.one_of(st.text(max_size=30), st.lists(st.one_of(TRICKY, st.text(max_size=90)), max_size=6).map("".join))
ROWS = st.builds(
    lambda prompt, number, seed, provider: row(prompt, number, seed=seed, provider=provider),
    TEXT,
    st.integers(1, 10**6),
    st.none() | st.integers(0, 2**32),
    st.none() | TEXT,
)
TEMPLATES = st.sampled_from(["{id}", "{row}-{slug}", "{slug}", "{provider}", "{id}{seed}", "-{slug}. {provider} .{id}"])


def assert_good_name(template: str, each: Row, id_: str) -> None:
    name = named(template, id_, each)
    assert_safe(name)
    assert_safe(apart(name, "2"))
    assert named(template, id_, each) == name
    assert re.fullmatch(r"[a-z0-9-]{0,40}", slug(each.request.prompt))


@settings(max_examples=1000)
@given(TEMPLATES, ROWS, TEXT)
def test_whatever_a_row_says_its_name_is_safe_and_always_the_same(template: str, each: Row, id_: str) -> None:
    assert_good_name(template, each, id_)


@settings(max_examples=300)
@given(TEMPLATES, st.randoms(use_true_random=False, note_method_calls=False), st.sampled_from([0x80, 0x3000, 0x110000]))
def test_random_rows_of_all_of_unicode_have_safe_names(template: str, random: Random, end: int) -> None:
    """Ten thousand rows together with the test above; drawn whole, which is faster and does not shrink."""
    source = Random(random.getrandbits(64))
    for _ in range(30):
        prompt, id_ = ("".join(chr(source.randrange(end)) for _ in range(source.randrange(120))) for _ in "ab")
        assert_good_name(template, row(prompt, provider=id_[::-1]), id_)


@settings(max_examples=200)
@given(st.lists(TEXT, min_size=5, max_size=12, unique=True))
@example(["a/b", "a:b", "A-B", "a-b"])
def test_rows_of_different_ids_are_told_apart_on_every_file_system(ids: list[str]) -> None:
    taken: set[str] = set()
    for count, id_ in enumerate(ids):
        name = named("{id}", id_)
        if fold(name) in taken:
            name = apart(name, f"x{count}x")
        assert fold(name) not in taken
        taken.add(fold(name))
    assert len(taken) == len(ids)


@settings(max_examples=300)
@given(TEXT)
def test_folding_is_settled_after_one_time(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold(unicodedata.normalize(form, text)) == fold(text)
    assert fold(text.upper()) == fold(text)


NAMES = st.lists(
    st.sampled_from(["a", "007", "CON", "nul", "x y", "-a", "é", "..", "", "a/b", "x" * 120]) | TEXT, min_size=1
)


@given(st.sampled_from(["{id}", "{id}.mp4", "{row}-{id}-{seed}"]), NAMES)
def test_many_rows_are_named_as_each_would_be(template: str, ids: list[str]) -> None:
    rows = [row(number=number, seed=number % 3) for number in range(len(ids))]
    each = [Template(template).name(one, id_) for one, id_ in zip(rows, ids, strict=True)]
    assert Template(template).names(Rows.of(rows), ids) == each
