"""``--only``, ``--shard`` and ``--limit``: which rows of a manifest a run is to make. Pure.

The whole manifest is always taken in; what is selected is only submitted or not. So a try of three rows is no change
of the sheet, and the rows that were left out are pending, not gone.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import NamedTuple

from batchgen.errors import UsageError
from batchgen.manifest.expand import suffix
from batchgen.manifest.headings import canonical
from batchgen.manifest.quoting import alternatives, did_you_mean, quoted
from batchgen.model import Present, State
from batchgen.request import from_json
from batchgen.words import first_of, many

_NUMBERS = re.compile(r"(?:row:)?([0-9]{1,9})(?:-([0-9]{1,9}))?")
_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_GLOB = re.compile(r"[*?\[]")
_STATES = tuple(state.value for state in State if state is not State.SUBMITTING)
_MOST_NAMED = 5  # ids that no row has


class _Term(NamedTuple):
    """One of the alternatives of ``--only``."""

    text: str
    takes: Callable[[Present], bool]
    is_bare: bool = False  # a number, or a range, of which it is not said whether it is an id


@dataclass(frozen=True)
class Selection:
    """What ``--only``, ``--shard`` and ``--limit`` say; without any of them every row is selected."""

    only: tuple[_Term, ...] = ()
    ids: frozenset[str] = frozenset()  # in the place of terms: rows of these, whatever they look like
    shard: tuple[int, int] | None = None  # (2, 5): the second of five
    limit: int | None = None

    def __bool__(self) -> bool:
        return bool(self.only or self.ids) or self.shard is not None or self.limit is not None


@dataclass
class Picker:
    """One pass over a manifest's rows, in their order."""

    selection: Selection
    taken: int = 0
    _met: set[str] = field(default_factory=set)
    _named: dict[str, int] = field(default_factory=dict)  # bare term -> the row that has it as its id in the sheet
    _counted: dict[str, tuple[int, int]] = field(default_factory=dict)  # -> the first and the last row that it counts

    def takes(self, row: Present) -> bool:
        """Whether the row is selected. Rows must come in the manifest's order, each once.

        Raises UsageError for a number that is the id of one row and counts another.
        """
        selection = self.selection
        if selection.ids and not self._is_named(row):
            return False
        if selection.only and not self._is_asked_for(row):
            return False
        if selection.shard and shard_of(row, selection.shard[1]) != selection.shard[0]:
            return False
        if selection.limit is not None and self.taken >= selection.limit:
            return False
        self.taken += 1
        return True

    def _is_named(self, row: Present) -> bool:
        found = self.selection.ids.intersection(_names(row))
        self._met |= found
        return bool(found)

    def _is_asked_for(self, row: Present) -> bool:
        found = [term for term in self.selection.only if term.takes(row)]
        self._met.update(term.text for term in found)
        for term in found:
            if term.is_bare:
                self._tell_apart(term.text, row)
        return bool(found)

    def _tell_apart(self, text: str, row: Present) -> None:
        """Note which row has the bare term as its id, and which rows it counts: both are right of one row alone."""
        if text in _names(row):
            self._named[text] = row.number
        else:
            first, _ = self._counted.get(text, (row.number, 0))
            self._counted[text] = (first, row.number)
        named = self._named.get(text)
        if named is not None and self._counted.get(text, (named, named)) != (named, named):
            raise UsageError(
                f"--only {text} is the id of row {named}, and counts others; write id:{text} or row:{text}"
            )

    @property
    def is_full(self) -> bool:
        """Whether no further row can be selected, nor teach anything."""
        return not (self.selection.only or self.selection.ids) and self.taken == self.selection.limit

    @property
    def unmet(self) -> tuple[str, ...]:
        """The terms or ids of ``--only`` that no row has met; complete after the pass."""
        return tuple(text for text in self._asked if text not in self._met)

    @property
    def _asked(self) -> list[str]:
        return [term.text for term in self.selection.only] or sorted(self.selection.ids)

    @property
    def has_missed(self) -> bool:
        """Whether ids or rows were named, and none of them is there; a state may well be that of no row."""
        names, is_state = self._asked, any(term.text.startswith("status:") for term in self.selection.only)
        return bool(names) and not self._met and not is_state

    def remarks(self) -> Iterator[str]:
        """What a person should know after the pass."""
        unmet = self.unmet
        if unmet and self.selection.ids:
            named = first_of([*map(quoted, unmet)], _MOST_NAMED)
            yield f"--only names {many(len(unmet), 'id')} that no row has: {named}"
        for text in unmet if self.selection.only else ():
            yield f"--only {quoted(text)} is not any row's{_hint(text)}"
        if not self.taken:
            yield "no row is selected"


def parse(only: str | Collection[str] | None = None, shard: str | None = None, limit: int | None = None) -> Selection:
    """Return what the flags say; ``only`` may be ids. Raises UsageError where they say nothing that can be."""
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} would make nothing; write a number from 1")
    if only is None or isinstance(only, str):
        return Selection(() if only is None else tuple(_terms(only)), shard=_shard(shard), limit=limit)
    if not only:
        raise UsageError("--only holds no id, and would make nothing; leave it out to make all")
    return Selection(ids=frozenset(only), shard=_shard(shard), limit=limit)


def _terms(only: str) -> Iterator[_Term]:
    texts = [text.strip() for text in only.split(",") if text.strip()]
    if not texts:
        raise UsageError("--only selects nothing; write ids, ranges such as 10-20, or status:failed")
    return map(_term, texts)


def _term(text: str) -> _Term:
    kind, sign, rest = text.partition(":")
    if sign and kind == "status":
        return _Term(text, _by_status(rest))
    if numbers := _NUMBERS.fullmatch(text):
        counts = _by_number(text, int(numbers[1]), int(numbers[2] or numbers[1]), is_bare=not sign)
        return (
            _Term(text, counts) if sign else _Term(text, lambda row: counts(row) or text in _names(row), is_bare=True)
        )
    if sign and kind == "row":
        raise UsageError(f"--only {quoted(text)} is not a row; write row:10 or row:10-20")
    if not sign or kind == "id":
        return _Term(text, _by_id(rest if sign else text))
    is_id, has_value = _by_id(text), _by_value(kind, rest)
    return _Term(text, lambda row: is_id(row) or has_value(row))


def _by_status(name: str) -> Callable[[Present], bool]:
    if name not in _STATES:
        hint = did_you_mean(name, _STATES)
        raise UsageError(f"--only status:{name}: there is no such status; write {alternatives(_STATES)}{hint}")
    return lambda row: row.state == name


def _by_number(text: str, first: int, last: int, *, is_bare: bool) -> Callable[[Present], bool]:
    if first > last:
        raise UsageError(f"--only {text} runs backwards; write {last}-{first}")

    def takes(row: Present) -> bool:
        is_counted = first <= row.number <= last
        if is_bare and first < last and not is_counted:
            for name in _names(row):
                if name.isdecimal() and first <= int(name) <= last:
                    raise UsageError(
                        f"--only {text} counts rows, and {name} is the id of row {row.number}: write row:{text} if "
                        f"rows are meant, or each id, like id:{name}"
                    )
        return is_counted

    return takes


def _by_id(pattern: str) -> Callable[[Present], bool]:
    if not _GLOB.search(pattern):
        return lambda row: pattern in _names(row)
    return lambda row: pattern in _names(row) or fnmatchcase(row.id, pattern)  # an id may have brackets


def _names(row: Present) -> tuple[str, ...]:
    """The row's id, and the one that the sheet gives all rows of its several seeds: fox-s1 is a fox."""
    if row.seeded and "-s" in row.id:
        base = row.id.removesuffix(suffix("seeds", str(from_json(row.request).get("seed"))))
        return (row.id, base) if base != row.id else (row.id,)
    return (row.id,)


def _by_value(column: str, pattern: str) -> Callable[[Present], bool]:
    """Rows in which this column, a parameter or the sheet's own, has this whole value; case does not matter."""
    parameter, own, wanted = canonical(column), column.strip().casefold(), pattern.strip().casefold()

    def takes(row: Present) -> bool:
        if parameter:
            values = [from_json(row.request).get(parameter)]
        else:
            extras = from_json(row.extras) if row.extras else {}
            values = [value for name, value in extras.items() if name.casefold() == own]
        return any(value is not None and fnmatchcase(str(value).casefold(), wanted) for value in values)

    return takes


def _hint(text: str) -> str:
    if ":" in text:
        return ": it is no id, and no value of a column that is called so"
    if _GLOB.search(text) or _NUMBERS.fullmatch(text):
        return ""
    return f"; write {text}* for ids that begin so, or COLUMN:{text} for what a column holds"


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _SHARD.fullmatch(text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {quoted(text)} is none; write 1/4 for the first of four, up to 4/4")
    return int(match[1]), int(match[2])


def shard_of(row: Present, shards: int) -> int:
    """Return the shard that a row belongs to, from 1: by what it is, never by where it stands.

    Rows that share a task (the same request with a seed) belong together, or it would be paid for in each shard.
    """
    identity = row.digest if row.seeded else f"{row.digest}\0{row.id}"
    hashed = sha256(identity.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(hashed[:8], "big") % shards + 1
