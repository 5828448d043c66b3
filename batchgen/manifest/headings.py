"""The names of columns and keys: which parameter each means, which are a person's own, which look misspelled. Pure."""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from types import MappingProxyType

from batchgen.manifest.quoting import quoted
from batchgen.manifest.rules import KNOWN
from batchgen.model import Problem

MOST_COLUMNS = 200
NO_HEADER = (
    "names no column that is known; begin with a header such as id, prompt, seed, or rename the column of the prompts "
    "to prompt"
)
NO_PROMPT = "no column is called prompt; give that name to the one that holds the prompts"
LINES_OF_TITLES = 20  # below the first line, in which a header is looked for if that is none
# The headers of our own files: they come back with cells that are not a person's, and, as CSV, guarded ones.
RESULTS = (
    "id", "row", "status", "video", "prompt", "seed", "mode", "resolution", "duration", "aspect_ratio", "provider",
    "negative_prompt", "image_urls", "enable_prompt_expansion", "task_id", "fail_code", "fail_message", "attempts",
    "cost_usd", "submitted_at", "completed_at", "generation_seconds", "bytes", "sha256"
)  # fmt: skip
WORKBOOK = (*RESULTS[:4], "poster", *RESULTS[4:])  # results.xlsx, whose cells need no guard
FAILURES = tuple(name for name in RESULTS if name in KNOWN)
REASON = "reason"  # the last column of failures.csv
# Near enough to a parameter to be flagged, yet words that people do use for columns of their own.
_OWN_WORDS = frozenset({"modes", "ids", "revolution", "evolution", "solution", "provided", "provide", "promo"})
# Other names for a parameter: only questioned, since they may well be meant as a column of one's own.
_OTHER_NAMES = MappingProxyType(
    {name: parameter for parameter, names in {
        "image_urls": "image images picture pictures photo photos startimage firstframe imagelink imagelinks",
        "aspect_ratio": "aspect ratio orientation format seitenverhältnis",
        "resolution": "size quality definition res auflösung",
        "duration": "length seconds secs runtime videolength lengthseconds lengthinseconds durationseconds dur dauer "
        "länge durée",
        "seed": "seednumber seedno seednr seedvalue seedid randomseed",
        "negative_prompt": "negative negprompt avoid exclude",
        "enable_prompt_expansion": "expandprompt promptexpansion expansion",
    }.items() for name in names.split()}
)  # fmt: skip
_UNIT = re.compile(r"\s*[(\[].*|\s+in\s+\w+\s*$|\s*[:*#?.]+\s*$")
_SQUEEZED = re.compile("[\\s_\\-\u00ad\u200b-\u200f\u2060\ufeff]+")  # the latter are not to be seen
_MODEL = re.compile(r"wan[\s_-]?v?\d", re.IGNORECASE)  # how the service's models begin
_COUNTED = frozenset({"variants", "variant", "variations", "variation", "versions", "takes", "copies", "varianten"})
_COUNT = re.compile(r"[0-9]{1,2}")
_SHORTEST = 6  # letters of a parameter that may be meant by a misspelling: below, every other word is near
_LONG = 9  # letters from which on two slips are allowed


def canonical(name: str) -> str | None:
    """Return the parameter that a column or key means, whatever its case, blanks, ``_`` and ``-``: Aspect Ratio."""
    return name if name in KNOWN else _PARAMETERS.get(_squeezed(name))


def is_header(names: Iterable[str]) -> bool:
    """Whether a line names a column that is known, be it misspelled."""
    return any(canonical(name) or resembles(name) for name in names)


def is_below_titles(names: Iterable[str]) -> bool:
    """Whether a line is the header though others stand above it, which name no column."""
    return "prompt" in map(canonical, names)


def titles_left_out(line: int) -> Problem:
    """Return what there is to say of a header that is not the first line."""
    return Problem(line, None, "this is taken for the header, and what stands above it is left out", fatal=False)


@lru_cache(maxsize=1024)  # each job of a YAML file asks about its keys again
def resembles(name: str) -> str | None:
    """Return the parameter of which ``name``, which is none, looks like a misspelling."""
    squeezed = _squeezed(name)
    if squeezed in _OWN_WORDS:
        return None
    for known in KNOWN:
        plain = _squeezed(known)
        if len(plain) >= _SHORTEST and squeezed in (plain + "s", plain.rstrip("s")):
            return known
    if len(squeezed) < 5 or any(letter.isdigit() for letter in squeezed):
        return None
    return next((known for known in KNOWN if _is_near(squeezed, _squeezed(known))), None)


def _squeezed(name: str) -> str:
    return _SQUEEZED.sub("", name.casefold())


_PARAMETERS = MappingProxyType({_squeezed(name): name for name in KNOWN})


def _is_near(name: str, known: str) -> bool:
    if len(known) < _SHORTEST or abs(len(name) - len(known)) > 2:
        return False
    allowed = 2 if len(known) >= _LONG else 1
    return _slips(name, known) <= allowed


def _slips(one: str, other: str) -> int:
    """Letters to insert, delete, replace or swap with their neighbour (Damerau-Levenshtein, neighbours only)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]


def question(name: str, present: Collection[str], kind: str) -> tuple[str, bool] | None:
    """Return what to ask about an own ``kind`` (column, key) called ``name``, and whether it forbids the run.

    ``present`` are the parameters that stand beside it: where the resembled one is there too, the name is most
    likely meant as it stands.
    """
    meant = resembles(name)
    if meant and meant not in present:
        way_out = f"rename it to {meant}, or, if it is your own, to something less like it"
        return f"{kind} {quoted(name)} is not known; {way_out}", True
    other = meant or _other(name)
    if other and (meant or other not in present):
        return f"{kind} {quoted(name)} is carried along as your own; if {other} is meant, rename it", False
    return None


def question_of_cells(name: str, cells: Collection[str], present: Collection[str], kind: str) -> str | None:
    """Return what to ask about an own ``kind`` (column, key) whose cells tell what no row has of its own.

    That is a model, or how many videos a prompt is to have. ``present``: as above.
    """
    own = f"{kind} {quoted(name)} is carried along as your own"
    if _squeezed(name) in ("model", "modelname") and any(map(_MODEL.match, cells)):
        return f"{own}; a batch has one model, which --model names"
    are_numbers = cells and all(map(_COUNT.fullmatch, cells)) and set(cells) != {"1"}
    if _squeezed(name) in _COUNTED and are_numbers and "seeds" not in present:
        return f"{own}; for several videos of a prompt, give it a {kind} seeds that names one for each, like 1-5"
    return None


def _other(name: str) -> str | None:
    """Return the parameter that may be meant by ``name``, which tells a unit or the like too: Duration (s), Seed:."""
    bare = _UNIT.sub("", name)
    return _OTHER_NAMES.get(_squeezed(name)) or canonical(bare) or _OTHER_NAMES.get(_squeezed(bare))
