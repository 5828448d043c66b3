"""From blocks of a sheet's cells to rows and problems: the same for every format that has a header and records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from batchgen.manifest import expand, placeholders
from batchgen.manifest.formulas import unguard
from batchgen.manifest.glance import glance
from batchgen.manifest.headings import question_of_cells
from batchgen.manifest.layout import Layout
from batchgen.manifest.quoting import quoted
from batchgen.manifest.rules import KNOWN, MISSING_PROMPT, UNMISTAKABLE, Cells, Finding, Rules
from batchgen.manifest.values import without_secret
from batchgen.model import Problem, Row
from batchgen.request import columns_to_json
from batchgen.rows import Rows

LONGEST_CELL = 1 << 20  # characters
LONGEST_LINE = 16 << 20  # characters of a text file; what a hostile one may make us hold at once
_ID = KNOWN.index("id")
NO_ROWS = Problem(None, None, "there is a header but no row below it; write a row for each video")
_PARTNERS: Mapping[str, set[str]] = (
    {"mode": {"image_urls"}, "image_urls": {"mode"}, "seed": {"seeds"}, "seeds": {"seed"}}
)  # fmt: skip


class Unreadable(Exception):  # noqa: N818 - it is a message to the reader, not a fault
    """Reading cannot go on; ``problem`` says why."""

    def __init__(self, line: int | None, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(line, None if column is None else str(column), message)


@dataclass
class Block:
    """Some hundred or thousand records: three lists of one length (``columns`` is one list for each column).

    ``flaws`` are the records (by their place in the lists) with cells that are no text, which the problems have told
    already: the names of the parameters that they stand under, or "" for a column of a person's own.
    """

    numbers: list[int] = field(default_factory=list)  # the record's number in the file, from 1
    lines: list[int] = field(default_factory=list)  # the line it starts on, from 1
    columns: list[Sequence[str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    flaws: dict[int, set[str]] = field(default_factory=dict)


class Records:
    """From the blocks of cells to rows and problems. ``overrides`` stand in the place of whole columns."""

    def __init__(self, layout: Layout, rules: Rules, overrides: Mapping[str, str]) -> None:
        self._layout = layout
        self._rules = rules
        self._overrides = overrides
        self._unnamed = list(layout.unnamed)
        self._names = {layout.names[place].strip().casefold() for place in (*layout.own, *layout.places.values())}
        told = {problem.column for problem in layout.problems}
        self._own = [place for place in layout.own if layout.title(place) not in told]

    def rows(self, block: Block) -> Iterator[Rows | Row | Problem]:
        """Return the rows of a block, and what is wrong in it: what is plain together, what is not one by one."""
        yield from self._told(block)
        if not block.lines:
            return
        columns, number = block.columns, len(block.lines)
        if self._layout.is_guarded:
            columns = [list(map(unguard, column)) for column in columns]
        yield from self._check_unnamed(block)
        yield from self._check_own(block, columns)
        known = {name: columns[place] for name, place in self._layout.places.items()}
        known |= {name: [value] * number for name, value in self._overrides.items()}
        yield from self._check_braces(block, known)
        seen = glance(self._rules, known, number)
        extras = self._extras(columns, number)
        plain = Rows(block.numbers, block.lines, seen.ids, seen.prompts, seen.seeds, seen.requests, extras)
        doubted = sorted({*seen.doubted, *block.flaws}) if block.flaws else seen.doubted
        cells = zip(*(map(known.get(name, [""] * number).__getitem__, doubted) for name in KNOWN), strict=True)
        done = 0
        for place, record in zip(doubted, cells, strict=True):
            if done < place:
                yield plain.part(done, place)
            yield from self._judged(block, place, record, columns)
            done = place + 1
        if done < number:
            yield plain.part(done, number)

    def _judged(
        self, block: Block, place: int, record: tuple[str, ...], columns: list[Sequence[str]]
    ) -> Iterator[Row | Problem]:
        number, line = block.numbers[place], block.lines[place]
        recipe, findings = self._rules.judge(record)
        if findings or place in block.flaws:
            flawed = block.flaws.get(place, set())
            ids = () if recipe or flawed else expand.ids(Cells(*record))  # a flaw was told with its record's id
            name = record[_ID].strip() if line > number + 1 else ""  # cells above hold line breaks
            for problem in self._problems(findings, line, flawed, ids):
                yield replace(problem, id=quoted(name)) if name else problem
            recipe = None if flawed else recipe
        if recipe:
            extras = {self._layout.names[own]: columns[own][place] for own in self._layout.own}
            try:
                yield from expand.over_seeds(recipe, number, line, extras)
            except ValueError as error:
                yield Problem(line, self._layout.column("id"), str(error))

    def _extras(self, columns: list[Sequence[str]], number: int) -> Sequence[str | None]:
        own = [columns[place] for place in self._layout.own]
        return columns_to_json(self._layout.columns, own) if own else [None] * number

    def _told(self, block: Block) -> Iterator[Problem]:
        """Return what the reader found, with the ids of the records that are left out for it."""
        place = self._layout.places.get("id")
        ids = {
            block.lines[at]: (block.columns[place][at].strip(),)
            for at, flawed in block.flaws.items()
            if place is not None and "id" not in flawed and block.columns[place][at].strip()
        }
        for problem in block.problems:
            yield replace(problem, ids=ids.pop(problem.line)) if problem.line in ids else problem

    def _problems(
        self, findings: list[Finding], line: int, flawed: set[str], ids: tuple[str, ...]
    ) -> Iterator[Problem]:
        """Return the findings that need be told; the first that is fatal has the ``ids`` of what is left out."""
        for name, message, fatal in findings:
            # A header without a prompt has its own problem, and so has a cell that could not be read: what only
            # follows from that need not be told again at each row.
            if message == MISSING_PROMPT and "prompt" not in self._layout.places:
                continue
            if name not in flawed and not (_PARTNERS.get(name, set()) & flawed):
                yield Problem(line, self._layout.column(name), message, fatal, ids=ids if fatal else ())
                ids = () if fatal else ids

    def _check_own(self, block: Block, columns: list[Sequence[str]]) -> Iterator[Problem]:
        """Return an own column that holds what a parameter without one takes; asked of the first block alone."""
        own, self._own = self._own, []
        present = self._layout.places.keys() | self._overrides.keys()
        absent = [name for name in UNMISTAKABLE if name not in present]
        for place in own:
            cells = {cell.strip() for cell in columns[place]} - {""}
            name = self._layout.names[place].strip()
            if asked := question_of_cells(name, cells, present, "column"):
                yield Problem(block.lines[0], self._layout.title(place), asked, fatal=False)
            for parameter in absent:
                if cells and self._rules.takes(parameter, cells):
                    cell = without_secret(min(cells))
                    message = (
                        f"column {quoted(name)} is carried along as your own, though {quoted(cell)} is what "
                        f"{parameter} takes; if that is meant, rename it"
                    )
                    yield Problem(block.lines[0], self._layout.title(place), message, fatal=False)

    def _check_braces(self, block: Block, known: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
        """Return what there is to say of a ``{name}`` that is a column's: of a sheet, none is filled in."""
        for parameter in ("prompt", "negative_prompt"):
            for line, cell in zip(block.lines, known.get(parameter, ()), strict=False):
                for name in placeholders.names(cell) if "{" in cell else ():
                    if name.casefold() in self._names:
                        message = (
                            f"{parameter} holds {quoted(f'{{{name}}}')}, the name of a column, and is sent as it "
                            "stands; if what the column holds is meant, fill it in, or use a YAML with vars"
                        )
                        yield Problem(line, self._layout.column(parameter), message, fatal=False)

    def _check_unnamed(self, block: Block) -> Iterator[Problem]:
        """Return a cell under no name: told once for each such column."""
        for place in list(self._unnamed):
            for line, cell in zip(block.lines, block.columns[place], strict=True):
                if cell.strip():
                    yield beyond(place, cell, line)
                    self._unnamed.remove(place)
                    break


def beyond(place: int, cell: str, line: int) -> Problem:
    """Return what there is to say of a cell (its column counted from 0) that has no name above it."""
    message = f"column {place + 1} has no name but holds {quoted(cell)}; name it, or empty it"
    return Problem(line, str(place + 1), message)
