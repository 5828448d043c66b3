"""A small file that would become a large one is refused at once, in little memory."""

import json
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from tests.manifest.reading import read_file
from tests.manifest.same_rows import ods_table, write_ods
from tests.manifest.test_workbook import HEADER, xlsx

ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def zeros(path: Path, part: str, size: int, level: int) -> None:
    with (
        ZipFile(path, "w", ZIP_DEFLATED, compresslevel=level) as archive,
        archive.open(part, "w", force_zip64=True) as file,
    ):
        for _ in range(size // 1_000_000):
            file.write(bytes(1_000_000))


def measured(path: Path) -> tuple[str, float, float]:
    """What is told of the file, in how many seconds, and with how many MB more than nothing."""
    program = (
        "import sys, time, resource, json; from pathlib import Path; from tests.manifest.reading import read_file\n"
        "import batchgen.manifest.workbook, batchgen.manifest.json_file\n"
        "size = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before, start = size(), time.process_time(); told = read_file(Path(sys.argv[1])).told\n"
        "print(json.dumps([told, time.process_time() - start, size() - before]))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    told, seconds, megabytes = json.loads(done.stdout)
    return told, seconds, megabytes


def test_a_zip_that_unpacks_to_much_more_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    zeros(tmp_path / "ratio.xlsx", "xl/workbook.xml", 100_000_000, 6)
    zeros(tmp_path / "size.ods", "content.xml", 600_000_000, 1)
    for name in ("ratio.xlsx", "size.ods"):
        told, seconds, megabytes = measured(tmp_path / name)
        assert "would unpack to" in told
        assert seconds < 1
        assert megabytes < 50


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/s.xml", "xl/strings.xml"])
def test_entities_are_refused_wherever_they_stand(tmp_path: Path, part: str) -> None:
    source = xlsx(tmp_path / "s.xlsx", f"<sheetData>{HEADER}</sheetData>")
    with ZipFile(source) as old, ZipFile(tmp_path / "bomb.xlsx", "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            new.writestr(name, ENTITIES + text.replace("</", "&b;</", 1) if name == part else text)
    assert "document type" in read_file(tmp_path / "bomb.xlsx").told


def test_a_million_repeated_cells_cost_nothing(tmp_path: Path) -> None:
    cell = '<table:table-cell{} office:value-type="string"><text:p>x</text:p></table:table-cell>'
    header = f"<table:table-row>{cell.format('').replace('x', 'prompt')}</table:table-row>"
    wide = cell.format(' table:number-columns-repeated="90000000"')
    write_ods(tmp_path / "wide.ods", ods_table(f"{header}<table:table-row>{wide}</table:table-row>"))
    tall = f'<table:table-row table:number-rows-repeated="90000000">{cell.format("")}</table:table-row>'
    write_ods(tmp_path / "tall.ods", ods_table(header + tall))
    for name, words in (("wide.ods", "columns"), ("tall.ods", "rows")):
        told, seconds, megabytes = measured(tmp_path / name)
        assert f"{words}; delete what is there" in told
        assert seconds < 1
        assert megabytes < 50


def test_a_giant_cell_is_refused(tmp_path: Path) -> None:
    cell = f'<c r="B2" t="str"><v>{"x" * 1_100_000}</v></c>'
    path = xlsx(tmp_path / "s.xlsx", f'<sheetData>{HEADER}<row r="2">{cell}</row></sheetData>')
    assert "longer than 1048576 characters" in read_file(path).told


@pytest.mark.parametrize("name", ["deep.json", "deep.jsonl"])
def test_nesting_without_end_is_refused(tmp_path: Path, name: str) -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000, '{"jobs": [' + "[" * 100_000):
        (tmp_path / name).write_text(text)
        start = time.process_time()
        assert "nested" in read_file(tmp_path / name).told
        assert time.process_time() - start < 1
