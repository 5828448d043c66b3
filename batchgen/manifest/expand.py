"""One record -> its jobs: the ids of expansions, and a sheet's seeds. Pure.

An expansion's id is the record's own id and a suffix for each list it was drawn from, made of the value and
never of its position: a value more, or another order, changes the id of no job that was there before.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256

from batchgen.manifest import values
from batchgen.manifest.quoting import quoted
from batchgen.manifest.rules import Cells, Recipe
from batchgen.manifest.values import LONGEST_ID
from batchgen.model import Row

# Rows are known by their ids: with another rule, what is made would be made, and paid for, anew.
_SPEAKING = re.compile(r"[A-Za-z0-9._-]{1,24}")


def suffix(key: str, value: str) -> str:
    """Return what the value ``value`` of the list ``key`` adds to the id: itself where it is short and plain."""
    text = value.strip().replace(":", "x")
    if key in ("seed", "seeds") and text.isdecimal():
        return f"-s{int(text)}"
    if _SPEAKING.fullmatch(text):
        return f"-{text}"
    return "-" + sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def with_suffixes(name: str | None, suffixes: Iterable[str]) -> str | None:
    """Return the id of an expansion; None where the record has no id.

    Raises ValueError, with a sentence for a person, when it becomes too long.
    """
    if name is None:
        return None
    whole = name + "".join(suffixes)
    if len(whole) > LONGEST_ID:
        grown = f"id {quoted(name)} grows to {len(whole)} characters with what its lists add"
        raise ValueError(f"{grown}; shorten it until {LONGEST_ID} will do")
    return whole


def ids(record: Cells) -> tuple[str, ...]:
    """Return the ids of the jobs that a record would have made, had nothing been wrong with it; as far as they show."""
    if not record.id.strip():
        return ()
    try:
        name = values.identity(record.id)
        seeds = values.seeds(record.seeds) if record.seeds.strip() else ()
        return tuple(name + suffix("seeds", str(seed)) for seed in seeds) or (name,)
    except values.Refused:
        return ()


def over_seeds(recipe: Recipe, number: int, line: int, extras: dict[str, str]) -> Iterator[Row]:
    """Return the rows of a record: one, or one for each of its seeds. Raises as :func:`with_suffixes`."""
    if not recipe.seeds:
        yield Row(number, line, recipe.request, recipe.id, extras)
        return
    for seed in recipe.seeds:
        name = with_suffixes(recipe.id, [suffix("seeds", str(seed))])
        yield Row(number, line, replace(recipe.request, seed=seed), name, extras)
