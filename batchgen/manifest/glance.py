"""Whole columns of a sheet at a glance: which records are plain, so that nothing about them needs to be asked singly.

A glance refuses nothing and questions nothing. It vouches for a record only where ``rules`` would have no finding and
would take each cell as it stands, but for line ends: by the same predicates that ``rules`` and ``values`` ask first of
a cell. Any other record is doubted, and judged by them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, count, repeat
from operator import not_
from typing import NamedTuple

from batchgen.manifest import values
from batchgen.manifest.rules import CHOICES, Rules, is_plain
from batchgen.request import Form, filled

_NO_FORM: Form = ("", "", "")


class Glance(NamedTuple):
    """What was seen of some records. A column holds anything where one is doubted."""

    doubted: list[int]  # their places, in order
    ids: Sequence[str | None]
    prompts: Sequence[str]
    seeds: Sequence[int | None]
    requests: Sequence[str]  # JSON


def glance(rules: Rules, columns: Mapping[str, Sequence[str]], number: int) -> Glance:
    """Look at ``number`` records, by the columns of the parameters that they have."""
    nothing = [""] * number
    doubted = set[int]()
    forms = _forms(rules, columns, number, doubted)
    prompts = values.with_newlines_throughout(columns.get("prompt", nothing))
    _doubt(doubted, map(is_plain, prompts, repeat(rules.prompt_characters)))
    negatives = _negatives(rules, columns["negative_prompt"], doubted) if "negative_prompt" in columns else repeat(None)
    seeds = _seeds(columns["seed"], doubted) if "seed" in columns else [None] * number
    ids = _ids(columns["id"], doubted) if "id" in columns else [None] * number
    for name in ("seeds", "image_urls"):
        _doubt(doubted, map(not_, columns.get(name, ())))
    requests = list(map(filled, forms, prompts, negatives, seeds))
    return Glance(sorted(doubted), ids, prompts, seeds, requests)


def _doubt(doubted: set[int], plain: Iterable[object]) -> None:
    """Doubt the records for which ``plain``, one answer each in their order, is not true."""
    doubted.update(compress(count(), map(not_, plain)))


class _Forms(dict[tuple[str, ...], Form]):
    """The form of each set of cells that is met, asked for once."""

    def __init__(self, rules: Rules, present: Sequence[bool]) -> None:
        super().__init__()
        self._rules = rules
        self._present = present

    def __missing__(self, cells: tuple[str, ...]) -> Form:
        each = iter(cells)  # of the columns that are there; the others are blank
        form = self._rules.form(tuple(next(each) if is_there else "" for is_there in self._present))
        self[cells] = form or _NO_FORM
        return self[cells]


def _forms(rules: Rules, columns: Mapping[str, Sequence[str]], number: int, doubted: set[int]) -> list[Form]:
    present = [name in columns for name in CHOICES]
    known = _Forms(rules, present)
    sets = zip(*(columns[name] for name in compress(CHOICES, present)), strict=True) if any(present) else [()] * number
    forms = list(map(known.__getitem__, sets))
    if _NO_FORM in known.values():
        _doubt(doubted, (form is not _NO_FORM for form in forms))
    return forms


def _negatives(rules: Rules, column: Sequence[str], doubted: set[int]) -> list[str | None]:
    most, column = rules.negative_prompt_characters, values.with_newlines_throughout(column)
    _doubt(doubted, (not cell or is_plain(cell, most) for cell in column))
    return [cell or None for cell in column]


def _seeds(column: Sequence[str], doubted: set[int]) -> list[int | None]:
    if values.are_plain_seeds(column):
        return list(map(int, column))
    seeds = [int(cell) if values.is_plain_seed(cell) else None for cell in column]
    _doubt(doubted, (not cell or seed is not None for cell, seed in zip(column, seeds, strict=True)))
    return seeds


def _ids(column: Sequence[str], doubted: set[int]) -> list[str | None]:
    ids = list(map(str.strip, column))
    if not values.are_identities(ids):
        _doubt(doubted, map(values.is_identity, ids))
    return [text or None for text in ids]
