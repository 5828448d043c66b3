"""YAML traps: what is written is what is meant, or it is refused with its line, its column and a way out."""

from pathlib import Path

import pytest

from tests.manifest.reading import Read, read


def read_yaml(folder: Path, text: str) -> Read:
    return read(folder, text, "batch.yaml")


# one job's lines, and a parameter with its value
MEANT = [
    ("aspect_ratio: 16:9", "aspect_ratio", "16:9"),
    ("aspect_ratio: 9:16", "aspect_ratio", "9:16"),
    ("aspect_ratio: 1:1", "aspect_ratio", "1:1"),
    ("aspect_ratio: '16:9'", "aspect_ratio", "16:9"),
    ("enable_prompt_expansion: no", "enable_prompt_expansion", False),
    ("enable_prompt_expansion: Off", "enable_prompt_expansion", False),
    ("enable_prompt_expansion: yes", "enable_prompt_expansion", True),
    ("enable_prompt_expansion: true", "enable_prompt_expansion", True),
    ("enable_prompt_expansion: 0", "enable_prompt_expansion", False),
    ("seed: 012345", "seed", 12345),
    ("seed: 9223372036854775807", "seed", 2**63 - 1),
    ("seed: '7'", "seed", 7),
    ("seed: null", "seed", None),
    ("seed: ~", "seed", None),
    ("seed:", "seed", None),
    ("seed: ''", "seed", None),
    ("duration: 10s", "duration", 10),
    ("Resolution: 720P", "resolution", "720p"),
    ("negative_prompt: null", "negative_prompt", None),
    ("negative_prompt: 'null'", "negative_prompt", "null"),
    ("negative_prompt: ~", "negative_prompt", None),
    ("negative_prompt:", "negative_prompt", None),
    ("negative_prompt: no", "negative_prompt", "no"),
    ("negative_prompt: 2026-01-01", "negative_prompt", "2026-01-01"),
    ("negative_prompt: 1_000", "negative_prompt", "1_000"),
    ("negative_prompt: 1.0e+3", "negative_prompt", "1.0e+3"),
    ("negative_prompt: =", "negative_prompt", "="),
    ("negative_prompt: 007", "negative_prompt", "007"),
    ('negative_prompt: "a: b # c"', "negative_prompt", "a: b # c"),
    ("negative_prompt: |\n    two\n    lines", "negative_prompt", "two\nlines\n"),
    ("negative_prompt: '{style} {x'", "negative_prompt", "{style} {x"),
    ('negative_prompt: "\\U0001F98A\\tx"', "negative_prompt", "🦊\tx"),
    ("image_urls: https://a/b", "image_urls", ("https://a/b",)),
    ("image_urls: [https://a/b]", "image_urls", ("https://a/b",)),
    ("image_urls: []", "image_urls", ()),
    ("mode:", "mode", "text-to-video"),
]


@pytest.mark.parametrize(("line", "name", "value"), MEANT)
def test_what_is_written_is_what_is_meant(tmp_path: Path, line: str, name: str, value: object) -> None:
    found = read_yaml(tmp_path, f"jobs:\n- prompt: a\n  {line}\n")
    assert found.problems == []
    assert [getattr(request, name) for request in found.requests] == [value]


@pytest.mark.parametrize("text", ["no", "16:9", "007", "1.50", "=", "2026-01-01", "a cat#1", "0x1F", "<<"])
def test_a_plain_prompt_is_its_text_as_key_and_as_bare_item(tmp_path: Path, text: str) -> None:
    found = read_yaml(tmp_path, f"jobs:\n- prompt: {text}\n- {text}\n")
    assert found.problems == []
    assert found.prompts == [text, text]


DEEP = "[" * 500
BOMB = "\n".join([f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)])

# the file, the line and the column of the first fatal problem, words of its message
REFUSED = [
    ("# nothing\n", None, None, "the file is empty"),
    ("---\n...\n", None, None, "the file is empty"),
    ("jobs: []\n", 1, None, "no job"),
    ("jobs:\n", 1, "6", "must be a list"),
    ("jobs: {prompt: a}\n", 1, "7", "must be a list"),
    ("defaults: {seed: 1}\n", None, None, "no jobs:"),
    ("- prompt: a\n", 1, "1", "must begin with jobs:"),
    ("a cat\n", 1, "1", "must begin with jobs:"),
    ("job:\n- a\n", 1, "1", "did you mean jobs?"),
    ("jobs:\n- a\ndefaults: {seed: 1}\n", 3, "1", "must stand above jobs"),
    ("jobs:\n- a\njobs:\n- b\n", 3, "1", "twice"),
    ("jobs:\n- prompt: a\n  prompt: b\n", 3, "3", "twice"),
    ("jobs:\n- prompt: a\n  Prompt: b\n", 3, "3", "twice"),
    ("jobs:\n- prompt: a\n  x: b\n  x: c\n", 4, "3", "twice"),
    ("jobs:\n- prompt: &x a\n", 2, "11", "anchors"),
    ("vars: {x: &x a}\njobs:\n- prompt: '{x}'\n", 1, "11", "anchors"),
    ("&x\njobs:\n- prompt: a\n", 1, "1", "anchors"),
    ("jobs:\n- prompt: *x\n", 2, "11", "aliases"),
    ("jobs:\n- prompt: !!str a\n", 2, "11", "tag"),
    ("jobs:\n- prompt: ! a\n", 2, "11", "tag"),
    ("!x\njobs:\n- prompt: a\n", 1, "1", "tag"),
    ("jobs:\n- !!python/object/apply:os.system [x]\n", 2, "3", "tag"),
    ("jobs:\n- a\n---\njobs:\n- b\n", 3, None, "second document"),
    ("jobs:\n- prompt: a: b\n", 2, "12", "into quotes"),
    ("jobs:\n- prompt: 'a\n", 3, "1", "into quotes"),
    ("jobs:\n- prompt: %a\n", 2, "11", "into quotes"),
    ("jobs:\n- prompt: @a\n", 2, "11", "into quotes"),
    ("jobs:\n\t- prompt: a\n", 2, "1", "indent with spaces"),
    ("jobs:\n- prompt: a\x07\n", 2, None, "not allowed"),
    ("jobs:\n- prompt: [x, {y: z}]\n", 2, "15", "must be a text"),
    ("jobs:\n- prompt: {y: z}\n", 2, "11", "must be a text"),
    ("jobs:\n- prompt: []\n", 2, "11", "empty list"),
    ("jobs:\n- [a, b]\n", 2, "3", "a job must be a mapping"),
    ("jobs:\n-\n- b\n", 2, "2", "a job must be a mapping"),
    ("jobs:\n- seed: 1\n", 2, "3", "prompt is missing"),
    ("jobs:\n- prompt:\n", 2, "10", "prompt is missing"),
    ("jobs:\n- prompt: null\n", 2, "11", "prompt is missing"),
    ("jobs:\n- prompt: a\n  resolution: 720\n", 3, "15", "did you mean 720p?"),
    ("jobs:\n- prompt: a\n  resolution: 'null'\n", 3, "15", "not known"),
    ("jobs:\n- prompt: a\n  seed: 1.0e+3\n", 3, "9", "format the column"),
    ("jobs:\n- prompt: '#REF!'\n", 2, "11", "a spreadsheet's error"),
    ("jobs:\n- prompt: a\n  seed: 1_000\n", 3, "9", "digits only"),
    ("jobs:\n- prompt: a\n  seed: 0o17\n", 3, "9", "digits only"),
    ("jobs:\n- prompt: a\n  seeds: [1, x]\n", 3, "10", "cannot be read"),
    ("jobs:\n- prompt: a\n  seed: 1\n  seeds: 1-2\n", 4, "10", "both seed and seeds"),
    ("jobs:\n- promt: a\n", 2, "3", "rename it to prompt"),
    ("jobs:\n- prompt: a\n  aspect-ratio: 2:1\n", 3, "17", "write 16:9"),
    ("jobs:\n- prompt: a\n  aspect-ratoi: 1:1\n", 3, "3", "rename it to aspect_ratio"),
    ("jobs:\n- prompt: a\n  note: [a]\n", 3, "9", "your own"),
    ("jobs:\n- prompt: a\n  note: {a: b}\n", 3, "9", "your own"),
    ("jobs:\n- prompt: a\n  [x]: b\n", 3, "3", "a key must be a text"),
    ("jobs:\n- prompt: a\n  image_urls: [https://a/b, [https://c/d]]\n", 3, "15", "not of both"),
    ("defaults: x\njobs:\n- a\n", 1, "11", "defaults must be a mapping"),
    ("defaults: {vars: {x: y}}\njobs:\n- a\n", 1, "12", "top level"),
    ("vars: [x]\njobs:\n- a\n", 1, "7", "vars must be a mapping"),
    ("vars: {x: {y: z}}\njobs:\n- '{x}'\n", 1, "11", "must be a text"),
    ("vars: {style: x}\njobs:\n- 'a {stile}'\n", 3, "3", "did you mean style?"),
    ("vars: {style: x}\njobs:\n- '{style} {}'\n", 3, "3", "braces that are meant"),
    ("jobs:\n- prompt: a\n  id: 'b\\n'\n  seeds: 1-1000000\n", 4, "10", "more than 10000"),
    (f"jobs:\n- prompt: {DEEP}\n", 2, "30", "nested more than 20"),
    (f"{BOMB}\njobs:\n- prompt: *a8\n", 1, "1", "not known here"),
    ('jobs:\n- prompt: "a\\x1b[31m"\n', 2, "11", "control character"),
    ('jobs:\n- prompt: "a\u2028b"\n', 2, None, "U+2028"),
    ('jobs:\n- prompt: a\n  note: "x\\0y"\n', 3, "9", "no text can have"),
    (f"jobs:\n- prompt: {'a' * (2 << 20)}\n", 2, "11", "longer than 1048576"),
]  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("text", "line", "column", "words"), REFUSED)
def test_what_cannot_be_taken_is_refused_by_line_and_column_with_a_way_out(
    tmp_path: Path, text: str, line: int | None, column: str | None, words: str
) -> None:
    found = read_yaml(tmp_path, text)
    assert found.fatal
    first = found.fatal[0]
    assert (first.line, first.column) == (line, column), found.told
    assert words in first.message
    assert all(problem.message.isprintable() for problem in found.problems)


@pytest.mark.timeout(20)
def test_nesting_beyond_what_the_parser_itself_takes_is_refused_in_the_same_words(tmp_path: Path) -> None:
    found = read_yaml(tmp_path, f"jobs:\n- prompt: {'[' * 5000}\n")
    assert found.fatal[0].line == 2
    assert "nested more than 20" in found.fatal[0].message


def test_a_product_of_more_than_a_million_is_refused_without_expanding(tmp_path: Path) -> None:
    lists = "".join(f"  {name}: [{', '.join('x' * 101)}]\n" for name in ("prompt", "seed", "duration", "mode"))
    found = read_yaml(tmp_path, f"jobs:\n-\n{lists}")
    assert [problem.line for problem in found.problems] == [3]
    assert "104060401 jobs" in found.told


def test_lists_are_the_cross_product_in_the_written_order_with_the_last_varying_fastest(tmp_path: Path) -> None:
    text = "jobs:\n- id: x\n  seeds: 1-2\n  prompt: [a, b c]\n  aspect_ratio: [16:9, 1:1]\n"
    found = read_yaml(tmp_path, text)
    assert [(r.seed, r.prompt, r.aspect_ratio) for r in found.requests] == [
        (1, "a", "16:9"), (1, "a", "1:1"), (1, "b c", "16:9"), (1, "b c", "1:1"),
        (2, "a", "16:9"), (2, "a", "1:1"), (2, "b c", "16:9"), (2, "b c", "1:1")]  # fmt: skip
    assert found.ids[:3] == ["x-s1-a-16x9", "x-s1-a-1x1", "x-s1-47d8a4a8-16x9"]
    assert {(row.number, row.line) for row in found.rows} == {(1, 2)}


def test_a_list_of_links_is_one_jobs_images_and_a_list_of_lists_an_axis(tmp_path: Path) -> None:
    text = "jobs:\n- prompt: a\n  image_urls: [https://a/1, https://a/2]\n- prompt: a\n  image_urls: [[https://a/1], [https://a/2]]\n"
    found = read_yaml(tmp_path, text)
    one, two = "https://a/1", "https://a/2"
    assert [request.image_urls for request in found.requests] == [(one, two), (one,), (two,)]
    assert {request.mode for request in found.requests} == {"image-to-video"}


def test_defaults_stand_under_each_job_and_can_be_unsaid(tmp_path: Path) -> None:
    text = "defaults: {resolution: 1080p, seed: 5, who: me}\njobs:\n- a\n- {prompt: b, resolution: , seeds: 1-2}\n"
    found = read_yaml(tmp_path, text)
    assert found.problems == []
    assert [(r.prompt, r.resolution, r.seed) for r in found.requests] == [
        ("a", "1080p", 5),
        ("b", None, 1),
        ("b", None, 2),
    ]
    assert [row.extras for row in found.rows] == [{"who": "me"}] * 3
    assert found.columns == ("who",)


def test_a_job_is_made_with_each_word_of_the_vars_that_its_texts_use(tmp_path: Path) -> None:
    text = (
        "vars: {style: [noir, oil], time: [dawn, dusk]}\njobs:\n"
        "- {prompt: 'a {style} cat', id: c}\n- {prompt: '{time} {{x}} }', id: 'd-{time}'}\n- plain\n"
        "- {prompt: ['{style}', nobody], vars: {style: [x]}}\n"
    )
    found = read_yaml(tmp_path, text)
    assert found.problems == []
    assert found.prompts == ["a noir cat", "a oil cat", "dawn {x} }", "dusk {x} }", "plain", "x", "nobody"]
    assert found.ids[:5] == ["c-noir", "c-oil", "d-dawn", "d-dusk", None]


def test_a_var_that_no_job_uses_is_questioned(tmp_path: Path) -> None:
    found = read_yaml(tmp_path, "vars: {style: x}\njobs:\n- prompt: a\n  vars: {other: y}\n")
    assert [(p.line, p.fatal) for p in found.problems] == [(4, False), (1, False)]
    assert len(found.rows) == 1


def test_a_key_that_names_a_model_is_questioned(tmp_path: Path) -> None:
    found = read_yaml(tmp_path, "jobs:\n- {prompt: a, model: wan-2-6}\n- {prompt: b, model: T}\n")
    (problem,) = found.problems
    assert (problem.line, problem.fatal) == (2, False)
    assert problem.message.startswith('key "model" is carried along as your own; a batch has one model')


def test_a_key_that_counts_a_prompts_videos_is_questioned(tmp_path: Path) -> None:
    found = read_yaml(tmp_path, "jobs:\n- {prompt: a, variants: 5}\n- {prompt: b, seeds: 1-5, takes: 5}\n")
    (problem,) = found.problems
    assert (problem.line, problem.fatal) == (2, False)
    assert problem.message.startswith('key "variants" is carried along as your own; for several videos of a prompt')


def test_a_comment_that_cuts_a_prompt_is_questioned(tmp_path: Path) -> None:
    found = read_yaml(tmp_path, "jobs:\n- prompt: a cat #1 in town\n- b #2\n- prompt: c # a comment\n- 'd' #x\n")
    assert [(p.line, p.fatal) for p in found.problems] == [(2, False), (3, False)]
    assert found.prompts == ["a cat", "b", "c", "d"]


def test_a_problem_of_the_defaults_is_told_once(tmp_path: Path) -> None:
    found = read_yaml(tmp_path, "defaults: {resolution: 4k}\njobs:\n- a\n- b\n- {prompt: c, seed: x}\n")
    assert [(p.line, p.column) for p in found.problems] == [(1, "24"), (5, "21")]


def test_everything_wrong_is_told_at_once_up_to_a_syntax_error(tmp_path: Path) -> None:
    found = read_yaml(tmp_path, "jobs:\n- {prompt: a, seed: x, duration: 7}\n- {seed: 1}\n- ok\n- prompt: a: b\n")
    assert [p.line for p in found.problems] == [2, 2, 3, 5]
    assert found.prompts == ["ok"]


def test_yaml_in_another_encoding_is_read_when_named(tmp_path: Path) -> None:
    text = "jobs:\n- café\n".encode("cp1252")
    assert "--encoding" in read(tmp_path, text, "b.yml").told
    assert read(tmp_path, text, "b.yml", "cp1252").prompts == ["café"]
    assert read(tmp_path, "\ufeffjobs: [a]\n", "b.yml").prompts == ["a"]


def test_the_id_of_a_combination_with_a_mistake_is_told_with_it(tmp_path: Path) -> None:
    found = read_yaml(tmp_path, "jobs:\n- {id: x, prompt: a, aspect_ratio: [16:9, 2:1], seeds: 1}\n")
    assert found.ids == ["x-16x9-s1"]
    assert [problem.ids for problem in found.problems] == [("x-2x1-s1",)]
