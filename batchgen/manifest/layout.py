"""What the header of a sheet says: which column is read as what, and whether the file is one of ours. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchgen.manifest.formulas import unguard
from batchgen.manifest.headings import (
    FAILURES,
    MOST_COLUMNS,
    NO_PROMPT,
    REASON,
    RESULTS,
    WORKBOOK,
    canonical,
    question,
    resembles,
)
from batchgen.manifest.quoting import quoted
from batchgen.manifest.rules import KNOWN
from batchgen.manifest.textfile import refusal
from batchgen.model import Problem
from batchgen.words import escaped

_FRAME_BEGIN = ("id", "row", "status", "prompt", "video")  # a DataFrame of results, whose cells need no guard either
_BEGIN = len(_FRAME_BEGIN)  # columns, by which one of them is known again
_RESULT_COLUMNS = frozenset(WORKBOOK) - frozenset(FAILURES)


@dataclass(frozen=True)
class Layout:
    """What the header of a sheet says about its records."""

    names: tuple[str, ...]  # as they stand in the header
    places: Mapping[str, int]  # parameter -> its place in a record
    own: tuple[int, ...]  # the places of the manifest's own columns
    unnamed: tuple[int, ...]  # columns without a name: they must be empty
    is_guarded: bool  # this is a file of ours, whose cells are guarded against formulas
    is_partial: bool  # this is our failures.csv: the rows that are not in it are not gone
    problems: tuple[Problem, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the own columns, in order."""
        return tuple(self.names[place] for place in self.own)

    def column(self, parameter: str) -> str | None:
        """Return the parameter's column as the header spells it, fit to be shown."""
        place = self.places.get(parameter)
        return parameter if place is None else self.title(place)

    def title(self, place: int) -> str:
        """Return a column's name as the header spells it, or its number, fit to be shown."""
        name = self.names[place].strip() if place < len(self.names) else ""
        return escaped(name) or str(place + 1)

    @property
    def parameters(self) -> Mapping[int, str]:
        """The places that are read, with the parameter of each; "" for a person's own column, or one without a name."""
        return dict.fromkeys((*self.own, *self.unnamed), "") | {place: name for name, place in self.places.items()}


def layout_of(path: Path, header: Sequence[str], line: int | None) -> Layout:
    """Return what a header means, with every problem in it. Raises ManifestError for one that is too wide to be one."""
    if len(header) > MOST_COLUMNS:
        message = f"the header has {len(header)} columns, more than {MOST_COLUMNS}; is the sheet transposed?"
        raise refusal(path, message, line)
    dropped, is_guarded = _ours(header)
    names = tuple(map(unguard, header)) if is_guarded else tuple(header)
    plain = [canonical(name) or name.strip().casefold() for name in names]
    is_partial = REASON in dropped
    if is_partial:  # a column of that name which was a person's own comes back under it
        names = tuple(name.removeprefix("manifest_") if _is_moved(name) else name for name in names)
    first = {name: place for place, name in reversed(list(enumerate(plain))) if name}
    own = tuple(sorted(place for name, place in first.items() if name not in KNOWN and name not in dropped))
    places = {name: place for name, place in first.items() if name in KNOWN}
    problems = [*_twice(names, plain, line), *_questions([names[place] for place in own], places, line)]
    if "prompt" not in places and not any(resembles(names[place]) == "prompt" for place in own):
        problems.append(Problem(line, None, NO_PROMPT))
    unnamed = tuple(place for place, name in enumerate(plain) if not name)
    return Layout(names, places, own, unnamed, is_guarded, is_partial, tuple(problems))


def _ours(header: Sequence[str]) -> tuple[frozenset[str], bool]:
    """Return the columns of a file of ours that are not read back, and whether its cells are guarded."""
    plain = tuple(name.strip().casefold() for name in header)
    begin = plain[:_BEGIN]
    if begin in (RESULTS[:_BEGIN], WORKBOOK[:_BEGIN], _FRAME_BEGIN):
        return _RESULT_COLUMNS, begin == RESULTS[:_BEGIN]
    if plain[: len(FAILURES)] == FAILURES and REASON in plain:
        return frozenset({REASON}), True
    return frozenset(), False


def _is_moved(name: str) -> bool:
    return name.strip().casefold().removeprefix("manifest_") == REASON


def _twice(names: Sequence[str], plain: Sequence[str], line: int | None) -> list[Problem]:
    return [
        Problem(line, escaped(name.strip()), f"the column {quoted(name)} appears twice; rename or delete one")
        for place, name in enumerate(names)
        if plain[place] and plain[place] in plain[:place]
    ]


def _questions(own: Sequence[str], places: Collection[str], line: int | None) -> list[Problem]:
    asked = ((name, question(name, places, "column")) for name in own)
    return [Problem(line, escaped(name.strip()), *answer) for name, answer in asked if answer]
