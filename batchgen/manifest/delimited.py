"""Sheets as text: CSV, TSV, and CSV with semicolons, read as a stream."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from batchgen.errors import ManifestError
from batchgen.manifest.csv_blocks import CsvBlocks
from batchgen.manifest.headings import NO_HEADER, is_header, titles_left_out
from batchgen.manifest.layout import layout_of
from batchgen.manifest.records import NO_ROWS, Records, Unreadable
from batchgen.manifest.rules import Rules
from batchgen.manifest.textfile import open_text, refusal, undecodable
from batchgen.model import Problem, Row
from batchgen.rows import Rows

_DELIMITERS = (",", ";", "\t")


class Delimited:
    """A sheet with its header read; each iteration reads the file from its beginning.

    Row.number counts the records below the header from 1, also those with problems, but not blank ones.
    """

    def __init__(self, path: Path, *, rules: Rules, encoding: str | None, overrides: Mapping[str, str]) -> None:
        """Read the header. Raises ManifestError when it cannot be understood at all."""
        self.path = path
        self._rules = rules
        self._encoding = encoding
        self._overrides = overrides
        self._delimiter = self._find_delimiter()
        with open_text(path, encoding) as stream:
            blocks = CsvBlocks(stream, self._delimiter)
            names, line = blocks.header()
        self._layout = layout_of(path, names, line)
        if blocks.has_titles:
            self._layout = replace(self._layout, problems=(titles_left_out(line), *self._layout.problems))
        self.columns = self._layout.columns
        self.named = frozenset(self._layout.places)
        self.is_partial = self._layout.is_partial

    def __iter__(self) -> Iterator[Rows | Row | Problem]:
        """Every row and every problem, in the order of the blocks that the file is read in."""
        yield from self._layout.problems
        try:
            with open_text(self.path, self._encoding) as stream:
                blocks = CsvBlocks(stream, self._delimiter)
                blocks.header()
                records = Records(self._layout, self._rules, self._overrides)
                for block in blocks:
                    yield from records.rows(block)
            if not blocks.records:
                yield NO_ROWS
        except Unreadable as unreadable:
            yield unreadable.problem
        except UnicodeDecodeError:
            yield undecodable(self.path, self._encoding)

    def _find_delimiter(self) -> str:
        """Return the one under which most known columns stand in the header; the suffix decides between equals."""
        order = sorted(_DELIMITERS, key=lambda sign: sign != "\t") if self.path.suffix == ".tsv" else _DELIMITERS
        counted = [(self._known_columns(delimiter), delimiter) for delimiter in order]
        most = max(known for known, _ in counted)
        if not most:
            raise self._no_header()
        return next(delimiter for known, delimiter in counted if known == most)

    def _no_header(self) -> ManifestError:
        """Return why the first line is no header."""
        message = f"the first line {NO_HEADER}"
        with open_text(self.path, self._encoding) as stream:
            try:
                names, line = CsvBlocks(stream, ",").header()
            except Unreadable as unreadable:
                return refusal(self.path, unreadable.problem.message, unreadable.problem.line)
        if names[0].startswith(("{", "[")):
            message = "this looks like JSON; name it .json or .jsonl, or say so with --format if it is standard input"
        return refusal(self.path, message, line)

    def _known_columns(self, delimiter: str) -> int:
        try:
            with open_text(self.path, self._encoding) as stream:
                names, _ = CsvBlocks(stream, delimiter).header()
        except Unreadable:
            return 0
        except UnicodeDecodeError:
            problem = undecodable(self.path, self._encoding)
            raise refusal(self.path, problem.message, problem.line) from None
        return sum(is_header([name]) for name in names)
