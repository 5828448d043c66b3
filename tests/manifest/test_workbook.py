"""Sheets of spreadsheet programs: each cell as what it is, and nothing guessed."""

import datetime
import shutil
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import python_calamine
import xlsxwriter  # type: ignore[import-untyped]

from batchgen.errors import ManifestError
from batchgen.manifest import open_manifest
from batchgen.manifest.moments import kind_of_format
from batchgen.model import Problem, Row
from tests.images.samples import png
from tests.manifest.reading import Read, read_file, singly
from tests.manifest.same_rows import ods_table, write_ods

DATA = Path(__file__).parent / "data"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHEETS = '<sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets>'
BOOK = f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">{SHEETS}</workbook>'
LINKS = (
    f'<Relationships><Relationship Id="r1" Type="{RELATIONS}/worksheet" Target="/xl/worksheets/s.xml"/>'
    f'<Relationship Id="r2" Type="{RELATIONS}/sharedStrings" Target="strings.xml"/></Relationships>'
)
NAMES = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("id", "prompt", "seed"))
HEADER = f'<row r="1">{NAMES}</row>'


def xlsx(path: Path, rows: str, strings: str = "", book: str = BOOK) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", book)
        archive.writestr("xl/_rels/workbook.xml.rels", LINKS)
        archive.writestr("xl/strings.xml", f'<sst xmlns="{MAIN}">{strings}</sst>')
        archive.writestr("xl/worksheets/s.xml", f'<worksheet xmlns="{MAIN}">{rows}</worksheet>')
    return path


def one_row(tmp_path: Path, cells: str, strings: str = "") -> Read:
    return read_file(xlsx(tmp_path / "s.xlsx", f'<sheetData>{HEADER}<row r="2">{cells}</row></sheetData>', strings))


def places(found: Read) -> list[tuple[int | None, str | None]]:
    return [(problem.line, problem.column) for problem in found.fatal]


@pytest.mark.parametrize("name", ["typed.xlsx", "typed.ods"])
def test_a_ratio_that_became_a_time_is_refused_with_the_way_to_mend_it(name: str) -> None:
    found = read_file(DATA / name)
    told = [(p.line, p.message) for p in found.fatal if p.column == "aspect_ratio"]
    mend = "format the column as text and type {} again"
    assert told == [
        (2, "the spreadsheet turned this cell into the time 16:09; " + mend.format("16:9")),
        (3, "the spreadsheet turned this cell into the time 01:01; " + mend.format("1:1")),
    ]


@pytest.mark.parametrize("name", ["typed.xlsx", "typed.ods"])
def test_a_seed_whose_last_digits_are_gone_is_refused(name: str) -> None:
    found = read_file(DATA / name)
    lines = [problem.line for problem in found.fatal if problem.column == "seed"]
    # LibreOffice writes 15 digits of a number into an .xlsx: there, the 16 of line 3 are lost as well.
    assert lines == ([3, 4] if name == "typed.xlsx" else [4])


@pytest.mark.parametrize("name", ["typed.xlsx", "typed.ods"])
def test_numbers_dates_and_truth_are_text_in_columns_of_ones_own(name: str) -> None:
    good = read_file(DATA / name).rows[-3:]
    assert [(row.id, row.request.duration, row.request.seed) for row in good] == [
        ("d-s1", 10, 1), ("d-s2", 10, 2), ("d-s3", 10, 3)]  # fmt: skip
    assert good[0].extras == {"scene": "1,5", "shot": "-3"}


def test_dates_in_columns_of_ones_own_are_named_alike_whatever_the_format(tmp_path: Path) -> None:
    day, moment, time = (
        datetime.date(2026, 1, 5),
        datetime.datetime.fromisoformat("2026-01-05T12:30"),
        datetime.time(16, 9, 30),
    )
    for since_1904 in (False, True):
        with xlsxwriter.Workbook(str(tmp_path / "d.xlsx"), {"date_1904": since_1904}) as book:
            sheet = book.add_worksheet()
            sheet.write_row(0, 0, ["prompt", "day", "moment", "time", "truth", "half"])
            sheet.write_row(1, 0, ["a", None, None, None, True, 0.5])
            for place, (value, code) in enumerate(
                [(day, "d.m.yy"), (moment, "yyyy-mm-dd hh:mm"), (time, "[h]:mm:ss")], 1
            ):
                sheet.write_datetime(1, place, value, book.add_format({"num_format": code}))
        (row,) = read_file(tmp_path / "d.xlsx").rows
        assert row.extras == {
            "day": "2026-01-05", "moment": "2026-01-05 12:30:00", "time": "16:09:30", "truth": "true", "half": "0.5",
        }  # fmt: skip
    write_ods(tmp_path / "d.ods", ods_table(
        '<table:table-row><table:table-cell office:value-type="string"><text:p>prompt</text:p></table:table-cell>'
        '<table:table-cell office:value-type="string"><text:p>moment</text:p></table:table-cell></table:table-row>'
        '<table:table-row><table:table-cell office:value-type="string"><text:p>a</text:p></table:table-cell>'
        '<table:table-cell office:value-type="date" office:date-value="2026-01-05T12:30:00"/></table:table-row>'
    ))  # fmt: skip
    assert read_file(tmp_path / "d.ods").rows[0].extras == {"moment": "2026-01-05 12:30:00"}


@pytest.mark.parametrize(
    ("code", "kind"),
    [("General", ""), ("@", ""), ("0.00%", ""), ('#,##0.00 "days"', ""), ("[$€-407] #,##0.00", ""), ("0.00E+00", ""),
     ('"TRUE";"TRUE";"FALSE"', ""), ("yyyy\\-mm\\-dd", "date"), ("mmm yy", "date"), ("hh:mm:ss\\ AM/PM", "time"),
     ("[h]:mm", "time"), ("mm:ss", "time"), ("[$-409]d/m/yy h:mm", "date and time"), ("[Red]0", "")],
)  # fmt: skip
def test_number_formats_are_told_apart(code: str, kind: str) -> None:
    assert kind_of_format(code) == kind


@pytest.mark.parametrize("name", ["odd.xlsx", "odd.ods"])
def test_what_cannot_be_seen_in_a_value_is_told(name: str) -> None:
    found = read_file(DATA / name)
    told = [(p.line, p.column, p.message.partition(";")[0]) for p in found.problems]
    assert (None, None, 'the sheet "jobs" is read, and "notes" is not') in told
    assert (4, "id", "the cell holds the error #N/A") in told
    assert (5, "seed", "the cell holds the error #DIV/0!") in told
    assert (5, None, "1 row is hidden, and is made like the others") in told
    assert (11, "id", "the cells A11:A12 are merged, and only the first has the value") in told
    assert {p.line for p in found.problems if not p.fatal} == {None, 5}


@pytest.mark.parametrize("name", ["odd.xlsx", "odd.ods"])
def test_texts_are_read_without_comments_and_with_every_blank(name: str) -> None:
    found = read_file(DATA / name)
    repeated = [row.line for row in found.rows if row.request.prompt == "_x000D_ literal"]
    assert repeated == [8, 9]
    with python_calamine.CalamineWorkbook.from_path(DATA / name) as book:
        other = book.get_sheet_by_name("jobs").to_python(skip_empty_area=False)
    assert all(row.request.prompt == other[row.line - 1][1] for row in found.rows)


def test_comments_repeated_rows_and_blanks_of_ods_are_read_as_they_are_meant(tmp_path: Path) -> None:
    cell = '<table:table-cell office:value-type="string">{}</table:table-cell>'
    comment = "<office:annotation><text:p>a comment</text:p></office:annotation>"
    table = '<table:table table:name="in"><table:table-row><table:table-cell/></table:table-row></table:table>'
    text = '<text:p>a<text:s text:c="3"/>b<text:tab/>c<text:line-break/>d</text:p><text:p/><text:p>e</text:p>'
    rows = (
        f"<table:table-row>{cell.format('<text:p>prompt</text:p>')}</table:table-row>"
        f'<table:table-row table:number-rows-repeated="3">{cell.format(comment + text + table)}</table:table-row>'
        '<table:table-row table:number-rows-repeated="1000000"><table:table-cell/></table:table-row>'
    )
    write_ods(tmp_path / "r.ods", ods_table(rows))
    found = read_file(tmp_path / "r.ods")
    assert [(row.line, row.request.prompt) for row in found.rows] == [(n, "a   b\tc\nd\n\ne") for n in (2, 3, 4)]


def test_a_rich_text_in_ods_keeps_its_blanks_and_paragraphs() -> None:
    (row,) = [row for row in read_file(DATA / "odd.ods").rows if row.id == "007"]
    assert row.request.prompt == "two   blankstab\nsecond bold line <b>&amp; 🦊"
    assert row.request.seed == 1234567890123456


def test_a_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "b.xlsx")) as book:
        hidden, one, two = (book.add_worksheet(name) for name in ("hidden", "one", "two"))
        one.activate()
        hidden.hide()
        for sheet, prompt in ((hidden, "h"), (one, "a"), (two, "b")):
            sheet.write_column(0, 0, ["prompt", prompt])
        book.add_worksheet("blank")
    found = list(singly(open_manifest(tmp_path / "b.xlsx", model="wan-2-5")))
    assert [item.request.prompt for item in found if isinstance(item, Row)] == ["a"]
    assert [p.message for p in found if isinstance(p, Problem)] == [
        'the sheet "one" is read, and "two" is not; name another with --sheet'
    ]
    (row,) = singly(open_manifest(tmp_path / "b.xlsx", model="wan-2-5", sheet="Two"))
    assert isinstance(row, Row)
    assert row.request.prompt == "b"
    with pytest.raises(ManifestError, match=r"did you mean two.*there are"):
        open_manifest(tmp_path / "b.xlsx", model="wan-2-5", sheet="twoo")


def test_sheet_is_refused_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt\na\n")
    with pytest.raises(ManifestError, match="--sheet"):
        open_manifest(tmp_path / "a.csv", model="wan-2-5", sheet="x")


def test_the_rows_are_those_of_the_program_and_blank_ones_are_passed_over(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "r.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_row(3, 2, ["prompt", "seed", " "])
        sheet.write_row(5, 2, ["a", 5])
        sheet.write_row(6, 2, [" ", ""])
        sheet.write_row(8, 2, ["b", "x"])
        sheet.write_blank(500, 30, None, book.add_format({"bold": True}))
    found = read_file(tmp_path / "r.xlsx")
    assert [(row.number, row.line, row.request.seed) for row in found.rows] == [(1, 6, 5)]
    assert places(found) == [(9, "seed")]


def test_a_cell_under_no_name_is_told_once_for_each_column(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "r.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["prompt"])
        for row in (1, 2):
            sheet.write_row(row, 0, ["a", "", "lost"])
    assert places(read_file(tmp_path / "r.xlsx")) == [(2, "3")]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ('<c r="A2" t="e"><f>NA()</f><v>#N/A</v></c><c r="B2" t="str"><v>p</v></c>', "the error #N/A"),
        ('<c r="B2"><f>A1&amp;"x"</f></c>', "formula without a result"),
        ('<c r="B2"><f>A1</f><v></v></c>', "formula without a result"),
        ('<c r="B2" t="s"><v>7</v></c>', "a text that is not in the file"),
        ('<c r="B2" t="str"><v>half _xD83D_</v></c>', "no text can have"),
        ('<c r="B2" t="str"><v>nul _x0000_</v></c>', "no text can have"),
        ('<c r="B2" t="d"><v>2026-01-05T00:00:00</v></c>', "the date and time 2026-01-05 00:00:00"),
        ('<c r="B2" t="str"><v>p</v></c><c r="C2"><v>9007199254740993</v></c>', "may have changed the last digits"),
        ('<c r="B2" t="str"><v>p</v></c><c r="C2"><v>1.23456789012345E+15</v></c>', "may have changed the last digits"),
        ('<c r="B2" t="str"><v>p</v></c><c r="C2"><v>1.5</v></c>', 'seed "1.5" is not whole'),
        ('<c r="B2" t="str"><v>p</v></c><c r="C2"><f>RANDBETWEEN(1,9)</f><v>4</v></c>', "formula (RANDBETWEEN) gives"),
        ('<c r="B2" t="str"><f>"a"&amp;_xlfn.RANDARRAY(1)</f><v>a0</v></c>', "formula (RANDARRAY) gives another value"),
        ('<c r="B2" t="str"><v>p</v></c><c r="C2"><v>x</v></c>', "a number that cannot be read"),
        ('<c r="B2" t="str"><v>p</v></c><c r="XFE2"><v>1</v></c>', "cannot be"),
    ],
)
def test_a_cell_that_is_no_text_is_refused_and_nothing_else_is_told(tmp_path: Path, cells: str, words: str) -> None:
    found = one_row(tmp_path, cells)
    assert found.rows == []
    assert len(found.problems) == 1, found.told
    assert words in found.told
    assert "prompt is missing" not in found.told


def test_a_formula_whose_value_stays_and_one_in_a_column_of_ones_own_is_read(tmp_path: Path) -> None:
    steady = '<c r="B2" t="str"><f>"NOW() "&amp;A1</f><v>NOW() id</v></c><c r="C2"><f>RANDOM(1)+A2</f><v>4</v></c>'
    found = one_row(tmp_path, steady)
    assert (found.problems, found.prompts, found.requests[0].seed) == ([], ["NOW() id"], 4)
    number = '<table:table-cell table:formula="of:=RAND()" office:value-type="float" office:value="0.5"/>'
    text = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    for name, told in [("chance", []), ("seed", ["RAND"])]:
        header = f"<table:table-row>{text.format('prompt')}{text.format(name)}</table:table-row>"
        row = f"<table:table-row>{text.format('p')}{number}</table:table-row>"
        write_ods(tmp_path / "f.ods", ods_table(header + row))
        found = read_file(tmp_path / "f.ods")
        assert ["RAND" for problem in found.fatal if "formula (RAND) gives" in problem.message] == told


def test_a_row_with_a_cell_that_is_no_text_and_another_mistake_gives_its_id_once(tmp_path: Path) -> None:
    names = NAMES + '<c t="inlineStr"><is><t>duration</t></is></c>'
    cells = '<c t="str"><v>a</v></c><c t="str"><v>p</v></c><c t="d"><v>2026-01-05</v></c><c><v>7</v></c>'
    found = read_file(xlsx(tmp_path / "s.xlsx", f"<sheetData><row>{names}</row><row>{cells}</row></sheetData>"))
    assert [problem.column for problem in found.problems] == ["seed", "duration"]
    assert [problem.ids for problem in found.problems] == [("a",), ()]


@pytest.mark.parametrize(
    ("cells", "strings", "prompt", "seed"),
    [
        (
            '<c r="B2" t="s"><v>0</v></c>',
            "<si><r><t>one </t></r><r><t>two</t></r><rPh><t>TWO</t></rPh></si>",
            "one two",
            None,
        ),
        ('<c r="B2" t="inlineStr"><is><t>a</t><rPh><t>X</t></rPh></is></c>', "", "a", None),
        ('<c r="B2" t="str"><f>1</f><v>a _x005F_x000D_ _xD83E__xDD8A_</v></c>', "", "a _x000D_ 🦊", None),
        ('<c r="B2" t="b"><v>1</v></c><c><v>5.0</v></c>', "", "true", 5),
        ('<c r="B2"><v>7</v></c><c r="C2"><v>9007199254740991</v></c>', "", "7", 9007199254740991),
        ('<x:c xmlns:x="u" r="B2" t="str"><x:v>prefixed</x:v></x:c>', "", "prefixed", None),
    ],
)
def test_every_kind_of_cell_is_read(tmp_path: Path, cells: str, strings: str, prompt: str, seed: int | None) -> None:
    found = one_row(tmp_path, cells, strings)
    assert found.problems == []
    assert [(row.request.prompt, row.request.seed) for row in found.rows] == [(prompt, seed)]


@pytest.mark.parametrize("name", ["same.xlsx", "same.ods"])
def test_a_second_iteration_reads_the_file_again(name: str) -> None:
    manifest = open_manifest(DATA / name, model="wan-2-5")
    assert list(manifest) == list(manifest)


def test_a_header_that_no_column_of_is_known_is_refused(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "t.xlsx")) as book:
        book.add_worksheet().write_column(0, 0, ["My videos", "a fox"])
    assert "begin with a header" in read_file(tmp_path / "t.xlsx").told


def test_a_header_below_titles_is_read_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "t.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.merge_range(0, 0, 0, 2, "Shots of the night")
        sheet.write_formula(1, 0, "=NA()", None, "#N/A")
        sheet.write_row(3, 1, ["ID", "Prompt"])
        sheet.write_row(4, 1, ["a", "a fox"])
    found = read_file(tmp_path / "t.xlsx")
    assert found.told == "warning: line 4: this is taken for the header, and what stands above it is left out"
    assert [(row.id, row.line, row.request.prompt) for row in found.rows] == [("a", 5, "a fox")]


def test_what_an_own_column_lacks_is_a_warning(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "t.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_column(0, 0, ["prompt", "a fox", "an owl", "a hare"])
        sheet.write(0, 1, "scene")
        sheet.merge_range(1, 1, 2, 1, "forest")
        sheet.write_formula(3, 1, "=NA()", None, "#N/A")
    found = read_file(tmp_path / "t.xlsx")
    assert [(problem.line, problem.column, problem.fatal) for problem in found.problems] == [
        (4, "scene", False),
        (2, "scene", False),
    ]
    assert [row.extras for row in found.rows] == [{"scene": "forest"}, {"scene": ""}, {"scene": ""}]


def test_merged_cells_of_a_parameter_and_an_own_column_are_refused(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "t.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_column(0, 1, ["prompt", "a fox", "an owl"])
        sheet.write(0, 0, "scene")
        sheet.merge_range(1, 0, 1, 1, "forest")
    assert [problem.column for problem in read_file(tmp_path / "t.xlsx").fatal] == ["scene"]


def test_other_sheets_are_named_where_the_first_has_no_header(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "t.xlsx")) as book:
        book.add_worksheet("Read me").write(0, 0, "How to fill this in")
        book.add_worksheet("Empty")
        book.add_worksheet("Videos").write_column(0, 0, ["prompt", "a fox"])
    told = read_file(tmp_path / "t.xlsx").told
    assert 'or name another sheet than "Read me" with --sheet: "Videos"' in told


def test_what_is_no_spreadsheet_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("id,prompt\n")
    (tmp_path / "old.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with ZipFile(tmp_path / "other.ods", "w") as archive:
        archive.writestr("hello.txt", "x")
    assert "not a .xlsx file" in read_file(tmp_path / "a.xlsx").told
    assert "password" in read_file(tmp_path / "old.xlsx").told
    assert "damaged" in read_file(tmp_path / "other.ods").told


@pytest.mark.parametrize("name", ["same.xlsx", "same.ods"])
def test_a_file_that_is_cut_or_changed_is_refused_and_never_crashes(tmp_path: Path, name: str) -> None:
    whole = (DATA / name).read_bytes()
    path = tmp_path / name
    for place in range(0, len(whole), 67):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        read_file(path)
        path.write_bytes(whole[:place])
        assert read_file(path).fatal


def test_a_password_is_named(tmp_path: Path) -> None:
    shutil.copy(DATA / "same.ods", tmp_path / "p.ods")
    with ZipFile(tmp_path / "p.ods", "w") as archive:
        archive.writestr("content.xml", "garbage")
        archive.writestr("META-INF/manifest.xml", "<manifest:encryption-data/>")
    assert "password" in read_file(tmp_path / "p.ods").told


def shots(path: Path, *, in_cells: bool = False, named: str = "", images: int = 2) -> Path:
    """A sheet with images that lie beside the prompts, or in cells."""
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("shots")
        sheet.write_row(0, 0, ["prompt", "image_urls"])
        for row in range(1, images + 1):
            sheet.write_row(row, 0, [f"shot {row}", named])
            put = sheet.embed_image if in_cells else sheet.insert_image
            put(row, 1, f"{row}.png", {"image_data": BytesIO(png(row))})
    return path


@pytest.mark.parametrize("in_cells", [False, True])
def test_images_that_lie_in_the_workbook_are_not_read_and_said(tmp_path: Path, in_cells: bool) -> None:
    found = read_file(shots(tmp_path / "s.xlsx", in_cells=in_cells))
    told = [problem.message for problem in found.problems if not problem.fatal]
    assert told == [
        "2 images lie in the file itself, and are not read; save them, and name the files in a column image_urls"
    ]


ODS_CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
ODS_ROW = f"<table:table-row>{ODS_CELL}</table:table-row>"


def test_images_that_lie_in_an_ods_are_said_too(tmp_path: Path) -> None:
    write_ods(tmp_path / "s.ods", ods_table("".join(ODS_ROW.format(text) for text in ("prompt", "a"))))
    with ZipFile(tmp_path / "s.ods", "a") as archive:
        archive.writestr("Pictures/1.png", png(1))
        archive.writestr("Pictures/2.png", png(2))
    (told,) = read_file(tmp_path / "s.ods").problems
    assert told.message.startswith("2 images lie in the file itself")


def test_a_logo_and_images_beside_those_that_are_named_are_nothing_to_ask_about(tmp_path: Path) -> None:
    assert read_file(shots(tmp_path / "logo.xlsx", images=1)).problems == []
    assert read_file(shots(tmp_path / "named.xlsx", named="https://x.example/a.jpg")).problems == []
