"""CSV traps: each text is kept to the character, or refused with its line, its column and a way out."""

import codecs
import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from batchgen.manifest import csv_blocks, open_manifest
from batchgen.problems import Gathered
from tests.manifest.reading import read, singly

VERBATIM = [
    "NA", "N/A", "null", "NULL", "None", "nan", "NaN", "<NA>", "n/a", "-", "007", "1.0", "1e3", "=1+1", "@x",
    "TRUE", "no", "  two blanks around  ", " ", "a,b", 'say "go"', "'tis", "line\nbreak", "tab\there",
    "🦊 und ein Zug", "👩‍👩‍👧", "café", "café", "日本語", "\\n", "{style}", "2026-01-01", "16:9", "# hash", "a;b",
    "\ufefffirst", "\u2028separator", "0x1F", "1_000", "inf", "\u00a0",
]  # fmt: skip


@pytest.mark.parametrize("text", VERBATIM)
def test_a_prompt_and_a_further_cell_are_what_the_sheet_says_to_the_character(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["prompt", "negative_prompt", "aspect_ratio", "Scene "], [f"{text}|", text, "", text]]
        )
    found = read(tmp_path, path.read_bytes())
    assert found.problems == []
    assert found.prompts == [f"{text}|"]
    assert found.requests[0].negative_prompt == (text if text.strip() else None)
    assert found.rows[0].extras == {"Scene ": text}


# text of the file, line of the problem, its column, words of the message
REFUSED = [
    ("prompt,seed\na, b,1\n", 2, None, "3 cells, the header 2"),  # the silent shift of pandas
    ("prompt,seed\na,1\na, b,1\n", 3, None, "double quotes"),
    ("prompt,seed\na\n", 2, None, "1 cell, the header 2"),
    ("prompt,seed\na\rb,1\n", 2, None, "1 cell"),
    ('prompt,seed\n"a,1\n', 2, None, "never closed"),
    ('prompt,seed\nx,1\n"a\nb,1\n', 3, None, "never closed"),
    ('prompt,seed\n"a"b,1\n', 2, None, "after its closing quote"),
    ("prompt,prompt\na,b\n", 1, "prompt", "twice"),
    ("prompt, Prompt \na,b\n", 1, "Prompt", "twice"),
    ("prompt,x,X\na,b,c\n", 1, "X", "twice"),
    ("prompt,\na,b\n", 2, "2", "has no name"),
    ("promt,seed\na,1\n", 1, "promt", "rename it to prompt"),
    ("prompt,Aspect Ratio\na,16-9\n", 2, "Aspect Ratio", "write 16:9, 9:16 or 1:1"),
    ("prompt,image_url\na,https://a/b\n", 1, "image_url", "rename it to image_urls"),
    ("prompt,Negative-Promt\na,b\n", 1, "Negative-Promt", "rename it to negative_prompt"),
    ("prompt,seed,Seed \na,1,2\n", 1, "Seed", "appears twice"),
    ("prompt,aspect_ratio,aspect ratio\na,1:1,1:1\n", 1, "aspect ratio", "appears twice"),
    ("prompt,Image URLs\na,kettle\n", 2, "Image URLs", "not a link"),
    ("id,seed\na,1\n", 1, None, "no column is called prompt"),
    ("x,y\na,1\n", 1, None, "names no column that is known"),
    ("编号,提示词\n1,一只狐狸\n", 1, None, "rename the column of the prompts to prompt"),
    ("prompt\n", None, None, "no row below"),
    ("prompt\n\n  \n", None, None, "no row below"),
    ("", None, None, "the file is empty"),
    ("\ufeff\n \n", None, None, "the file is empty"),
    ("prompt,seed\n,1\n", 2, "prompt", "prompt is missing"),
    ("prompt,seed\n  ,1\n", 2, "prompt", "prompt is missing"),
    ("prompt,seed\na,1.23E+15\n", 2, "seed", "format the column as text"),
    ('prompt,seed\na,"1,5"\n', 2, "seed", "is not whole"),
    ("prompt,seed\na,12.5\n", 2, "seed", "is not whole; write a whole number"),
    ("prompt,seed\na,1.000\n", 2, "seed", "format the column as text"),
    ("prompt,seed\na,9999999999999999.0\n", 2, "seed", "lost its last digits"),
    ("prompt,seed\na,-5\n", 2, "seed", "write 0 or more"),
    ("prompt,seeds\na,1;-5\n", 2, "seeds", "write 0 or more"),
    ("prompt\n#REF!\n", 2, "prompt", "a spreadsheet's error"),
    ("prompt\nErr:508\n", 2, "prompt", "a spreadsheet's error"),
    ("prompt\nerr:522\n", 2, "prompt", "a spreadsheet's error"),
    ("prompt\n #name? \n", 2, "prompt", "a spreadsheet's error"),
    ("prompt,negative_prompt\na,#DIV/0!\n", 2, "negative_prompt", "a spreadsheet's error"),
    ("prompt,seed\na,9223372036854775808\n", 2, "seed", "too large"),
    ("prompt,seed\na," + "9" * 5000 + "\n", 2, "seed", "too large"),
    ("prompt,seed\na,１２\n", 2, "seed", "digits only"),
    ("prompt,seed\na,x\n", 2, "seed", "digits only"),
    ("prompt,seeds\na,4-1\n", 2, "seeds", "run backwards"),
    ('prompt,seeds\na,"1,000"\n', 2, "seeds", "may be one number or several; write 1000, or 1;000"),
    ("prompt,seeds\na,12 000 500\n", 2, "seeds", "write 12000500, or 12;000;500"),
    ("prompt,seeds\na,1-10001\n", 2, "seeds", "more than 10000"),
    ("prompt,seeds\na,1;2;1\n", 2, "seeds", "the seed 1 twice"),
    ("prompt,seeds\na,04-Jan\n", 2, "seeds", "format the column as text"),
    ("prompt,seed,seeds\na,1,2-3\n", 2, "seeds", "both seed and seeds"),
    ("prompt,duration\na,5.5\n", 2, "duration", "write 5 or 10"),
    ("prompt,duration\na,7\n", 2, "duration", "write 5 or 10"),
    ("prompt,Resolution\na,720\n", 2, "Resolution", "did you mean 720p?"),
    ("prompt,aspect_ratio\na,16:09:00\n", 2, "aspect_ratio", "turned 16:9 into a time"),
    ("prompt,aspect_ratio\na,4:3\n", 2, "aspect_ratio", "16:9, 9:16 or 1:1"),
    ("prompt,mode\na,text2video\n", 2, "mode", "did you mean text-to-video?"),
    ("prompt,provider\na,offical\n", 2, "provider", "did you mean official?"),
    ("prompt,enable_prompt_expansion\na,maybe\n", 2, "enable_prompt_expansion", "write true or false"),
    ("prompt,mode\na,image-to-video\n", 2, "image_urls", "image_urls is empty"),
    ("prompt,mode,image_urls\na,text-to-video,https://a/b\n", 2, "image_urls", "image_urls is filled"),
    ("prompt,image_urls\na,b.jpg\n", 2, "image_urls", "write https://"),
    ("prompt,image_urls\na,file:///etc/passwd\n", 2, "image_urls", "not a link"),
    ("prompt,image_urls\na,https://\n", 2, "image_urls", "not a link"),
    ("prompt,image_urls\na,https://me:pw@a/b\n", 2, "image_urls", "name or password"),
    ("prompt,image_urls\na,[1]\n", 2, "image_urls", "JSON list"),
    ("prompt,id\na," + "x" * 201 + "\n", 2, "id", "201 characters"),
    ("prompt,id\na,a\x07b\n", 2, "id", "cannot be printed"),
    ("prompt\na\x1b[31m\n", 2, "prompt", "control character"),
    ("prompt\na\0b\n", 2, None, "NUL"),
    ("pro\0mpt\na\n", 1, None, "UTF-16"),
    ('"prompt,seed\na,1\n', 1, None, "never closed"),
    ("prompt" + ",x" * 250 + "\n", 1, None, "transposed"),
    ('prompt\n"' + "a" * (2 << 20) + '"\n', 2, None, "longer than 1048576"),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), REFUSED)
def test_what_cannot_be_taken_is_refused_by_line_and_column_with_a_way_out(
    tmp_path: Path, text: str, line: int | None, column: str | None, words: str
) -> None:
    found = read(tmp_path, text)
    assert [(problem.line, problem.column) for problem in found.fatal] == [(line, column)], found.told
    assert words in found.fatal[0].message
    assert found.fatal[0].message.isprintable()


def test_a_link_in_a_column_of_ones_own_is_shown_without_what_opens_it(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, "prompt,Ref\na,https://me:pw@x.example/a.jpg?X-Amz-Signature=s3cret\n").problems
    assert 'though "https://…@x.example/a.jpg" is what image_urls takes' in problem.message


def test_a_value_with_other_numbers_is_not_taken_for_the_one_that_is_meant(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, "prompt,resolution\na,480p\n").fatal
    assert problem.message.endswith("write 720p or 1080p")


# text of the file, and the id, prompt, seed of its only row
TAKEN = [
    ("\ufeffprompt,seed\na,1\n", "a", 1),
    ("\ufeff\ufeffseed,prompt\n1,a\n", "a", 1),
    ("prompt,seed\u200b\na,1\n", "a", 1),
    ("prompt;seed\na, b;1\n", "a, b", 1),
    ("prompt\tseed\na, b; c\t1\n", "a, b; c", 1),
    (" Prompt , SEED \na, 1 \n", "a", 1),
    ("seed,prompt\n007,a\n", "a", 7),
    ("prompt,seed\r\na,1\r\n", "a", 1),
    ("prompt,seed\ra,1\r", "a", 1),
    ("prompt,seed\na,1", "a", 1),
    ("prompt,seed\na,\n", "a", None),
    ("\n\nprompt,seed\n\na,1\n,\n , \n", "a", 1),
    ("prompt,seed,\na,1,\n", "a", 1),
    ('prompt,seed\n5" lens,1\n', '5" lens', 1),
    ('prompt,seed\n "a",1\n', ' "a"', 1),
    ('"prompt","seed"\n"a ""b""","1"\n', 'a "b"', 1),
    ("prompt,seed\na,9223372036854775807\n", "a", 2**63 - 1),
    ("prompt,seed\na,123456.0\n", "a", 123456),
    ("Prompt,SEED \na,1\n", "a", 1),
    ("prompt\n#1 of a series\n", "#1 of a series", None),
    ("prompt\nEels in a tank\n", "Eels in a tank", None),
]


@pytest.mark.parametrize(("text", "prompt", "seed"), TAKEN)
def test_every_honest_form_of_a_sheet_is_read(tmp_path: Path, text: str, prompt: str, seed: int | None) -> None:
    found = read(tmp_path, text)
    assert found.problems == []
    assert [(request.prompt, request.seed) for request in found.requests] == [(prompt, seed)]


def test_cells_become_the_parameters_of_the_api(tmp_path: Path) -> None:
    text = (
        "mode,prompt,resolution,duration,aspect_ratio,image_urls,negative_prompt,seed,enable_prompt_expansion,provider,id\n"
        "Image-To-Video,a,1080P, 10s ,1:1,https://a/b.png,n,5,YES,Value, x \n"
        ",b,,,,,,,,,\n"
    )
    full, empty = read(tmp_path, text).rows
    request = full.request
    assert (request.mode, request.resolution, request.duration) == ("image-to-video", "1080p", 10)
    assert (request.aspect_ratio, request.image_urls) == ("1:1", ("https://a/b.png",))
    assert (request.negative_prompt, request.seed) == ("n", 5)
    assert (request.enable_prompt_expansion, request.provider, full.id) == (True, "value", "x")
    assert empty.request.to_json() == '{"model":"wan-2-5","mode":"text-to-video","prompt":"b"}'
    assert empty.id is None


@pytest.mark.parametrize(
    "cell",
    ["https://a/1.png https://a/2,x.png", "https://a/1.png\nhttps://a/2,x.png", "https://a/1.png|https://a/2,x.png",
     "https://a/1.png ; https://a/2,x.png", "https://a/1.png,https://a/2,x.png", "https://a/1.png, https://a/2,x.png",
     '["https://a/1.png", "https://a/2,x.png"]'],
)  # fmt: skip
def test_image_links_are_parted_in_the_ways_people_write(tmp_path: Path, cell: str) -> None:
    quoted = cell.replace('"', '""')
    found = read(tmp_path, f'prompt,image_urls\na,"{quoted}"\n')
    assert found.requests[0].image_urls == ("https://a/1.png", "https://a/2,x.png")
    assert found.requests[0].mode == "image-to-video"
    assert "advises at most 1" in found.problems[0].message
    assert not found.problems[0].fatal


@pytest.mark.parametrize(
    ("cell", "seeds"),
    [("1-4", [1, 2, 3, 4]), ("1;5;9", [1, 5, 9]), ("1,5,9", [1, 5, 9]), ("1 - 3; 7, 9", [1, 2, 3, 7, 9]),
     ("3–4", [3, 4]),
     (" 5 ", [5])],
)  # fmt: skip
def test_seeds_make_a_job_of_each(tmp_path: Path, cell: str, seeds: list[int]) -> None:
    found = read(tmp_path, f'prompt,id,seeds\na,x,"{cell}"\n')
    assert [request.seed for request in found.requests] == seeds
    assert found.ids == [f"x-s{seed}" for seed in seeds]
    assert {(row.number, row.line) for row in found.rows} == {(1, 2)}


def test_a_duration_is_understood_as_people_and_data_frames_write_it(tmp_path: Path) -> None:
    found = read(tmp_path, "prompt,duration\na,5\na,10 s\na,5s\na,10.0\na,10 sec\na,5 Seconds\n")
    assert [request.duration for request in found.requests] == [5, 10, 5, 10, 10, 5]


def test_a_word_for_yes_or_no_is_understood_in_any_case(tmp_path: Path) -> None:
    words = ["true", "YES", "on", "1", "WAHR", "vrai", "false", "No", "off", "0", "FALSCH", "Faux"]
    text = "prompt,enable_prompt_expansion\n" + "".join(f"a,{word}\n" for word in words)
    assert [r.enable_prompt_expansion for r in read(tmp_path, text).requests] == [True] * 6 + [False] * 6


def test_everything_wrong_is_told_at_once_and_good_rows_are_read(tmp_path: Path) -> None:
    text = 'prompt,seed,resolution\na,x,4k\n"b"c,1,\nd,1\n,,720p\n"two\nlines",1,720p\ne,y,\n'
    found = read(tmp_path, text)
    assert sorted((p.line or 0, p.column or "") for p in found.problems) == [
        (2, "resolution"), (2, "seed"), (3, ""), (4, ""), (5, "prompt"), (8, "seed")]  # fmt: skip
    assert [(row.number, row.line, row.request.prompt) for row in found.rows] == [(5, 6, "two\nlines")]


def test_a_missing_prompt_column_is_told_once_and_not_at_each_row(tmp_path: Path) -> None:
    found = read(tmp_path, "promt,seed\na,1\nb,x\n")
    assert [(p.line, p.column) for p in found.problems] == [(1, "promt"), (3, "seed")]


def test_a_resembling_column_beside_the_real_one_is_only_questioned(tmp_path: Path) -> None:
    found = read(tmp_path, "prompt,prompts,seed\na,b,1\n")
    assert [(p.fatal, p.column) for p in found.problems] == [(False, "prompts")]
    assert found.rows[0].extras == {"prompts": "b"}


def test_columns_of_ones_own_are_carried_along_in_order_without_a_question(tmp_path: Path) -> None:
    own = ["model", "notes", "modes", "Status", "promo", "prompt2"]
    found = read(tmp_path, f"prompt,{','.join(own)}\na,{','.join(own)}\n")
    assert found.problems == []
    assert found.columns == tuple(own)
    assert found.rows[0].extras == {name: name for name in own}


def test_advice_of_the_service_is_a_question_and_not_a_refusal(tmp_path: Path) -> None:
    found = read(tmp_path, f"prompt,negative_prompt\n{'a' * 1501},{'b' * 501}\n")
    assert [(p.column, p.fatal) for p in found.problems] == [("prompt", False), ("negative_prompt", False)]
    assert len(found.rows) == 1


def test_a_signed_links_key_is_not_shown_in_a_message(tmp_path: Path) -> None:
    found = read(tmp_path, "prompt,image_urls\na,ftp://a/b?X-Amz-Signature=SECRET\nb,https://u:SECRET@a/b\n")
    assert len(found.fatal) == 2
    assert "SECRET" not in found.told


def test_an_encoding_is_never_guessed(tmp_path: Path) -> None:
    text = "prompt,seed\na,1\ncafé,2\n".encode("cp1252")
    found = read(tmp_path, text)
    assert found.fatal[0].line == 3
    assert "0xe9" in found.told
    assert "--encoding cp1252" in found.told
    assert read(tmp_path, text, encoding="cp1252").prompts == ["a", "café"]


@pytest.mark.parametrize("records", [3000, 30_000])
def test_what_is_wrong_before_a_byte_that_cannot_be_decoded_is_told_too(tmp_path: Path, records: int) -> None:
    lines = [f"r{n},a lake".encode() for n in range(records)]
    lines[1000], lines[-1] = b"r1000,", b"last,\xff"
    found = read(tmp_path, b"id,prompt\n" + b"\n".join(lines) + b"\n")
    assert "line 1002, column prompt: the prompt is missing" in found.told
    assert f"line {records + 1}" in found.told


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["sheet.csv", "sheet.yaml"])
def test_utf_16_and_utf_32_are_read_by_their_mark_or_when_named(tmp_path: Path, encoding: str, name: str) -> None:
    text = {"sheet.csv": "prompt\ncafé\n", "sheet.yaml": "jobs: [café]\n"}[name]
    assert read(tmp_path, f"\ufeff{text}".encode(encoding), name).prompts == ["café"]
    assert read(tmp_path, f"\ufeff{text}".encode(encoding), name, encoding=encoding).prompts == ["café"]
    assert read(tmp_path, text.encode(encoding), name, encoding=encoding).prompts == ["café"]


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    assert "not known" in read(tmp_path, "prompt\na\n", encoding="latin-99").told
    assert "not known" in read(tmp_path, "prompt\na\n", encoding="base64").told


def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    from tests.manifest.reading import read_file

    assert "no such file" in read_file(tmp_path / "none.csv").told
    (tmp_path / "folder.csv").mkdir()
    assert "a folder" in read_file(tmp_path / "folder.csv").told
    assert ".yaml" in read(tmp_path, "x", name="sheet.dat").told
    assert "export it as .xlsx" in read(tmp_path, "x", name="sheet.numbers").told
    assert "export it as .xlsx" in read(tmp_path, "x", name="sheet.xlsb").told
    assert "a workbook" in read(tmp_path, b"PK\x03\x04\x9d", name="sheet.csv").told
    assert "save it as .xlsx" in read(tmp_path, "x", name="sheet.xls").told


@pytest.mark.parametrize(
    "titles", ['Shots{0}\n"of the\nnight"\n\n', "sep={0}\n\n\n\n", "{0}\n\nSCENE 1{0}24.11.\n{0}{0}\n"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_header_below_titles_is_read_and_what_is_left_out_is_said(
    tmp_path: Path, delimiter: str, titles: str
) -> None:
    found = read(tmp_path, titles.format(delimiter) + f"id{delimiter}Prompt\na{delimiter}a fox\n")
    assert [str(problem) for problem in found.problems] == [
        "warning: line 5: this is taken for the header, and what stands above it is left out"
    ]
    assert [(row.id, row.number, row.line, row.request.prompt) for row in found.rows] == [("a", 1, 6, "a fox")]


def test_a_header_that_is_misspelled_is_not_passed_over(tmp_path: Path) -> None:
    found = read(tmp_path, "resolutoin,text\n720p,prompt\n")
    assert found.told.startswith('line 1, column resolutoin: column "resolutoin" is not known; rename it to resolution')


def test_json_under_the_name_of_a_sheet_is_said_to_be_json(tmp_path: Path) -> None:
    assert "name it .json or .jsonl" in read(tmp_path, '{"prompt": "a fox"}\n').told


def test_a_lone_surrogate_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "prompt\na\nb\ud800\n".encode("utf-16-le", "surrogatepass")
    found = read(tmp_path, text, encoding="utf-16-le")
    assert found.fatal
    assert found.fatal[0].line == 3


def test_a_results_file_comes_back_without_guards_and_result_columns(tmp_path: Path) -> None:
    text = "id,row,status,video,prompt,seed,task_id,bytes,scene\nx,1,archived,x.mp4,'=1+1,7,t,9,''quoted\n"
    found = read(tmp_path, text)
    assert found.problems == []
    assert (found.prompts, found.ids, found.columns) == (["=1+1"], ["x"], ("scene",))
    assert found.rows[0].extras == {"scene": "'quoted"}


def test_guards_are_left_alone_in_any_other_sheet(tmp_path: Path) -> None:
    assert read(tmp_path, "id,prompt\nx,'=1+1\n").prompts == ["'=1+1"]


def test_a_sheet_larger_than_a_block_is_read_whole_and_again(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(
        b"prompt,id\n" + b"".join(b'"a\n%d",%d\n\n' % (n, n) for n in range(20_000)) + codecs.BOM_UTF8 + b"z,z\n"
    )
    manifest = open_manifest(path, model="wan-2-5")
    for _ in range(2):
        rows = [row for row in singly(manifest) if not hasattr(row, "fatal")]
        assert len(rows) == 20_001
        assert (rows[-2].line, rows[-1].line) == (2 + 19_999 * 3, 2 + 20_000 * 3)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("a,\r,a\ra", 1)  # two problems, which are told in the order of the blocks
@given(text=st.text(st.sampled_from('ab,"\r\n \0é'), max_size=40), piece=st.integers(1, 9))
def test_where_a_sheet_is_cut_into_pieces_as_it_is_read_changes_nothing(tmp_path: Path, text: str, piece: int) -> None:
    whole = read(tmp_path, "prompt,x\n" + text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_PIECE_CHARACTERS", piece)
        patch.setattr(csv_blocks, "_BLOCK_RECORDS", 2)
        pieces = read(tmp_path, "prompt,x\n" + text)
    assert (pieces.rows, sorted(pieces.problems, key=str)) == (whole.rows, sorted(whole.problems, key=str))


def test_a_record_with_a_nul_or_half_a_character_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    text = "prompt,x\na,1\nb\0,2\n c,3\nd\\ud800,4\n\ne,5\n"
    found = read(tmp_path, text, encoding="raw_unicode_escape")
    assert [(problem.line, problem.message.partition(",")[0]) for problem in found.fatal] == [
        (3, "this record holds a NUL character"),
        (5, "this record holds half a character (a lone surrogate); delete it"),
    ]
    assert [(row.number, row.line) for row in found.rows] == [(1, 2), (3, 4), (5, 7)]


def test_a_line_without_end_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "_PIECE_CHARACTERS", 100)
    monkeypatch.setattr(csv_blocks, "LONGEST_LINE", 1000)
    found = read(tmp_path, "prompt\na\nb\n" + "c" * 2000)
    assert found.prompts == ["a", "b"]
    assert [(problem.line, problem.message) for problem in found.problems] == [
        (4, "this line is too long to be a row; is it a sheet at all?")
    ]


ASKED = [
    ("prompt,animal\nA {animal},fox\n", 'prompt holds "{animal}", the name of a column, and is sent as it stands; if'),
    ('prompt,Place\n"A {fox} in { place }",fox\n', 'prompt holds "{place}"'),
    ("prompt,negative_prompt,x\nA,no {x},fox\n", 'column negative_prompt: negative_prompt holds "{x}"'),
    ("prompt\n=CONCAT(A1;B1)\n", "line 2, column prompt: prompt begins like a formula"),
    ("prompt\n=A2\n", "prompt begins like a formula"),
    (
        "prompt\nTBD\n",
        'line 2, column prompt: prompt "TBD" is sent as it stands, and paid for; if one is still to come',
    ),
    ("prompt\n n/a \n", "leave the row out"),
    ("prompt\nnan\n", "leave the row out"),
    ("prompt\n...\n", "leave the row out"),
    ("prompt,negative_prompt\nNone,n/a\n", 'prompt "None" is sent'),
    ("prompt\nUn cafÃ© Ã  Paris\n", 'line 2, column prompt: prompt holds "Ã©"'),
    ("prompt\nthe catâ€™s tail\n", "wrong encoding"),
    ("prompt\na caf\ufffd\n", "wrong encoding"),
    ("prompt,length\na,5\n", 'column "length" is carried along as your own; if duration is meant'),
    ("prompt,Seed Number\na,5\n", "if seed is meant"),
    ("prompt,size\na,720p\n", "if resolution is meant"),
    ("prompt,Duration (s)\na,10\n", 'column "Duration (s)" is carried along as your own; if duration is meant'),
    ("prompt,Length in seconds\na,10\n", "if duration is meant"),
    ("prompt,Seed:\na,10\n", 'column "Seed:" is carried along as your own; if seed is meant'),
    ("prompt,mode*\na,image-to-video\n", "if mode is meant"),
    ("prompt,Shape\na,9:16\n", 'column "Shape" is carried along as your own, though "9:16" is what aspect_ratio takes'),
    ("prompt,Tier\na,1080P\n", "is what resolution takes"),
    ("prompt,Bild\na,images/still 01.PNG\n", 'though "images/still 01.PNG" is what image_urls takes'),
    ("prompt,Ref\na,https://x.example/a.jpg?s=1\n", "is what image_urls takes"),
    ("prompt,Model\na,Wan 2.6\n", 'column "Model" is carried along as your own; a batch has one model, which --model'),
    (
        "prompt,Varianten\na,5\n",
        "for several videos of a prompt, give it a column seeds that names one for each, like 1-5",
    ),
    ("prompt,image_urls\na,https://x.example/a.GIF?s=1\n", "ends in .gif"),
    ("prompt,image_urls\na,https://x.example/a.jpg https://x.example/b.mp4\n", "ends in .mp4"),
]


@pytest.mark.parametrize(("text", "words"), ASKED)
def test_what_may_not_be_meant_is_asked_about_and_made_all_the_same(tmp_path: Path, text: str, words: str) -> None:
    found = read(tmp_path, text)
    assert found.fatal == []
    assert len(found.rows) == 1
    assert words in str(found.problems[0])
    assert str(found.problems[0]).startswith("warning: ")


@pytest.mark.parametrize(
    "text",
    [
        "prompt\n=^.^= a cat\n",
        "prompt\nnan naan\n",
        "prompt\nno\n",
        "prompt,aspect_ratio,Shape\na,16:9,9:16\n",
        "prompt,model\na,Kettle 1.7 l\n",
        "prompt,variants\na,red and blue\n",
        "prompt,variants\na,1\n",
        "prompt,variants,seeds\na,1,1\nb,2,1-2\n",
        "prompt,Shape\na,9:16\nb,tall\n",
        "prompt,Ref\na,a.png\nb,as above\n",
        "prompt,image_urls,Ref\na,,a.png\n",
        "prompt,Shape\na,\n",
        "prompt\nUma maçã em SÃO PAULO; Île d'Â\n",
        "prompt,duration,length\na,5,x\n",
        "prompt,image_urls\na,https://x.example/render?file=a.gif\n",
        "prompt,image_urls\na,https://x.example/image.php\n",
        "prompt,animal\nA {place} in {{animal}} and {,fox\n",
    ],
)
def test_what_is_meant_is_not_asked_about(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).problems == []


def test_braces_that_name_a_column_are_told_once_for_all_rows_of_it(tmp_path: Path) -> None:
    found = read(tmp_path, "prompt,animal,place\n" + "A {animal} in {place},fox,a wood\n" * 3000)
    (animal, place) = Gathered(9, found.problems).problems()
    assert str(animal).startswith('warning: lines 2-3001 (3000 rows), column prompt: prompt holds "{animal}", ')
    assert place.rows == 3000


def test_a_row_whose_line_is_not_its_row_in_a_spreadsheet_is_told_with_its_id(tmp_path: Path) -> None:
    text = 'id,prompt,duration\na,x,7\nb,"one\ntwo",7\nc,x,8\n,x,8\nd,=A2,\n'
    a, b, c, fourth, d = map(str, read(tmp_path, text).problems)
    assert a.startswith("line 2, column duration: ")
    assert b.startswith("line 3, column duration: ")
    assert c.startswith('line 5 (id "c"), column duration: ')
    assert fourth.startswith("line 6, column duration: ")
    assert d.startswith('warning: line 7 (id "d"), column prompt: ')
    several = Gathered(9, [*read(tmp_path, text).problems]).problems()
    assert [str(problem).partition(",")[0] for problem in several[:2]] == ["lines 2-3 (2 rows)", "lines 5-6 (2 rows)"]


def test_the_ids_of_rows_with_mistakes_are_told_with_the_first_of_these(tmp_path: Path) -> None:
    found = read(tmp_path, "id,prompt,seeds,resolution,duration\na,x,1-2,4k,7\nb,x,,,7\n,x,,,7\nc,x,,,\n")
    assert [problem.ids for problem in found.problems] == [("a-s1", "a-s2"), (), ("b",), ()]


def test_a_long_cell_is_read_and_the_callers_own_limit_is_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit(1000)
    try:
        found = read(tmp_path, f"prompt,x\na,{'y' * 200_000}\n")
        assert (found.problems, len(found.rows[0].extras["x"]), csv.field_size_limit()) == ([], 200_000, 1000)
    finally:
        csv.field_size_limit(before)
