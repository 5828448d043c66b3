"""One table of rows, and every format that it can be written in."""

import csv
import json
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import xlsxwriter  # type: ignore[import-untyped]
import yaml

HEADER = ("id", "prompt", "seed", "seeds", "resolution", "duration", "aspect_ratio", "image_urls",
          "enable_prompt_expansion", "negative_prompt", "scene", "shot")  # fmt: skip
ROWS = (
    ("007", "A fox, and a 🦊", "9223372036854775807", "", "720p", "5", "16:9", "", "yes", "NA", "one", "001"),
    ("", "NA", "", "", "", "", "", "", "", "", "", ""),
    ("", "null", "1234567890123456", "", "1080p", "10", "1:1", "", "no", "null", "=1+1", "1.0"),
    ("three", 'he says "go"', "", "1-2", "", "", "9:16", "", "TRUE", "", "16:9", "2026-01-05"),
    ("", "=1+1", "", "4;8", "", "5s", "", "", "", "", "'quoted", "1e3"),
    ("lines", "two\nlines  and two blanks", "0", "", "720P", "", "", "", "off", "a;b", "é", "TRUE"),
    ("kettle", "it turns", "42", "", "", "", "", "https://x.example/a.jpg https://x.example/b.png", "", "", "", "#N/A"),
    ("_x000D_", "{style} <b>&amp; 日本語", "", "", "", "", "", "", "0", "", "{x}", "-"),
)  # fmt: skip

Row = tuple[str, ...]
Write = Callable[[Path, list[Row]], None]


def _delimited(delimiter: str) -> Write:
    def write(path: Path, rows: list[Row]) -> None:
        buffer = StringIO(newline="")
        csv.writer(buffer, delimiter=delimiter).writerows([HEADER, *rows])
        path.write_text(buffer.getvalue(), encoding="utf-8", newline="")

    return write


def _objects(rows: list[Row]) -> list[dict[str, str]]:
    """Blank cells are left out, but for those of own columns, which a sheet has in every row."""
    return [{n: v for n, v in zip(HEADER, row, strict=True) if v or n in ("scene", "shot")} for row in rows]


def _yaml(path: Path, rows: list[Row]) -> None:
    text = yaml.safe_dump({"jobs": _objects(rows)}, allow_unicode=True, sort_keys=False, default_style='"', width=9999)
    path.write_text(text, encoding="utf-8")


def _json(path: Path, rows: list[Row]) -> None:
    path.write_text(json.dumps(_objects(rows)), encoding="utf-8")


def _json_sections(path: Path, rows: list[Row]) -> None:
    path.write_text(json.dumps({"jobs": _objects(rows), "defaults": {}}, indent=1), encoding="utf-8")


def _jsonl(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(o, ensure_ascii=False) + "\n" for o in _objects(rows)), encoding="utf-8")


def _parquet(path: Path, rows: list[Row]) -> None:
    columns = {name: [row[place] or None for row in rows] for place, name in enumerate(HEADER)}
    pq.write_table(pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()}), path)


def _xlsx(path: Path, rows: list[Row]) -> None:
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([HEADER, *rows]):
            for place, cell in enumerate(row):
                sheet.write_string(number, place, cell)


def ods_table(rows: str) -> str:
    """The content of an .ods with one sheet, of the rows as XML."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{rest}:1.0"'
        for name, rest in [("office", "office"), ("table", "table"), ("text", "text")]
    )
    table = f'<table:table table:name="s">{rows}</table:table>'
    body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
    return f"<office:document-content {spaces}>{body}</office:document-content>"


def write_ods(path: Path, content: str) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", "<x/>")


def _ods(path: Path, rows: list[Row]) -> None:
    def cell(text: str) -> str:
        paragraphs = "".join(
            f"<text:p>{escape(line).replace('  ', ' <text:s/>')}</text:p>" for line in text.split("\n")
        )
        return f'<table:table-cell office:value-type="string">{paragraphs}</table:table-cell>'

    lines = [f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in (HEADER, *rows)]
    write_ods(path, ods_table("".join(lines)))


WRITERS: Mapping[str, Write] = {
    "rows.csv": _delimited(","),
    "semicolons.csv": _delimited(";"),
    "rows.tsv": _delimited("\t"),
    "rows.yaml": _yaml,
    "rows.json": _json,
    "sections.json": _json_sections,
    "rows.jsonl": _jsonl,
    "rows.parquet": _parquet,
    "rows.xlsx": _xlsx,
    "rows.ods": _ods,
}
