"""A manifest: a file in, rows and problems out, as a stream.

One file for each format; whatever the format, a record becomes ``rules.Cells`` of text and ``rules.Rules`` judges it.
Formats with a header and records (``delimited``, ``workbook``, ``parquet``) fill ``records.Block``; those of nested
values (``yaml_file``, ``json_file``) make ``nodes`` of text, which ``jobs`` expands.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from batchgen.manifest.overrides import NOTHING_SET
from batchgen.manifest.quoting import alternatives
from batchgen.manifest.rules import Rules
from batchgen.manifest.textfile import check_plain, encoding_of, refusal
from batchgen.model import Problem, Row
from batchgen.rows import Rows

__all__ = ["FORMATS", "Manifest", "open_manifest"]

# The formats by their names, and what files of each are called.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "csv": (".csv", ".txt"),
    "tsv": (".tsv",),
    "xlsx": (".xlsx", ".xlsm"),
    "ods": (".ods",),
    "yaml": (".yaml", ".yml"),
    "json": (".json",),
    "jsonl": (".jsonl", ".ndjson"),
    "parquet": (".parquet",),
}
_TO_EXPORT = frozenset(
    {".numbers", ".xlsb", ".gsheet", ".doc", ".docx", ".odt", ".pages", ".pdf", ".rtf", ".html", ".htm"}
)
_WORKBOOKS = ("xlsx", "ods")


class Manifest(Protocol):
    """What a reader of any format gives."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the manifest's own columns, in order; complete once it has been read to its end."""

    @property
    def named(self) -> Collection[str] | None:
        """The parameters that its header names; None where there is no header."""

    @property
    def is_partial(self) -> bool:
        """Whether it is the failures.csv of a batch: rows of the batch that are not in it are not gone."""

    def __iter__(self) -> Iterator[Rows | Row | Problem]:
        """Rows and problems as the file is read, in bounded memory; a second iteration reads it again.

        Rows that come together have no images.

        Raises ManifestError if the file cannot be opened any more.
        """


def open_manifest(
    path: Path,
    *,
    model: str,
    encoding: str | None = None,
    sheet: str | None = None,
    overrides: Mapping[str, str] = NOTHING_SET,
    image_of: Callable[[str], str] | None = None,
) -> Manifest:
    """Return the manifest in ``path``, for ``model``; its text is UTF-8, as it is marked, or in ``encoding``.

    ``sheet`` is the one to read of a file with several; ``overrides`` (of ``overrides.parse``) stand in the place of
    what the manifest says; ``image_of`` gives what stands in a request for a file that is named where a link may be,
    or raises ValueError with the end of a sentence. Raises ManifestError for what makes reading impossible;
    everything else is a Problem of the iteration.
    """
    check_plain(path)
    form = format_of(path)
    rules = Rules(model, image_of)
    if form in _WORKBOOKS:
        from batchgen.manifest.workbook import Workbook

        return Workbook(path, rules=rules, sheet=sheet, overrides=overrides)
    if form != "parquet":
        encoding = encoding_of(path, encoding)
    if sheet is not None:
        raise refusal(path, "it has no sheets; leave out --sheet, or name an .xlsx or .ods file")
    return _reader(form, path, rules, encoding, overrides)


def format_of(path: Path) -> str:
    """Return the name of the file's format. Raises ManifestError where its name does not tell."""
    suffix = path.suffix.lower()
    for form, suffixes in FORMATS.items():
        if suffix in suffixes:
            return form
    if suffix == ".xls":
        raise refusal(path, "the old .xls is not read; save it as .xlsx")
    if suffix in _TO_EXPORT:
        raise refusal(path, "this format of sheets is not read; export it as .xlsx or .csv")
    known = alternatives(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise refusal(path, f"its format is not known by its name; name it {known}")


def _reader(form: str, path: Path, rules: Rules, encoding: str | None, overrides: Mapping[str, str]) -> Manifest:
    # Each reader is loaded when it is needed: so is what it stands on, like PyYAML.
    if form == "yaml":
        from batchgen.manifest.yaml_file import YamlManifest

        return YamlManifest(path, rules=rules, encoding=encoding, overrides=overrides)
    if form in ("json", "jsonl"):
        from batchgen.manifest.json_file import JsonLines, JsonManifest

        reader = JsonManifest if form == "json" else JsonLines
        return reader(path, rules=rules, encoding=encoding, overrides=overrides)
    if form == "parquet":
        from batchgen.manifest.parquet import ParquetManifest

        return ParquetManifest(path, rules=rules, overrides=overrides)
    from batchgen.manifest.delimited import Delimited

    return Delimited(path, rules=rules, encoding=encoding, overrides=overrides)
