"""One job of a YAML or JSON manifest -> rows: defaults under it, the product of its lists, ``{name}`` from vars."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, product
from math import prod

from batchgen.manifest import expand, placeholders, values
from batchgen.manifest.headings import MOST_COLUMNS, question, question_of_model
from batchgen.manifest.nodes import Broken, Keyed, Many, Node, Text, at
from batchgen.manifest.overrides import NOTHING_SET
from batchgen.manifest.quoting import did_you_mean, quoted
from batchgen.manifest.rules import KNOWN, MISSING_PROMPT, Cells, Rules
from batchgen.model import Problem, Row

MOST_JOBS = 1_000_000  # that one job of the file may expand to
_PROSE = ("prompt", "negative_prompt", "id")  # where {name} is filled in

Entries = Mapping[str, tuple[Text, Node]]
Vars = Mapping[str, list[Text]]


def read_vars(node: Node, problems: list[Problem]) -> dict[str, list[Text]]:
    """Return the values of each variable; whatever is none goes to ``problems``."""
    if not isinstance(node, Keyed):
        if not isinstance(node, Broken) and not (isinstance(node, Text) and node.null):
            problems.append(at(node, "vars must be a mapping; write each as name: [value, value]"))
        return {}
    found = {}
    for key, value in node.entries.values():
        items = value.items if isinstance(value, Many) else [value]
        texts = [item for item in items if isinstance(item, Text)]
        if len(texts) < len(items) or not texts:
            problems.append(at(value, f"vars: {quoted(key.value)} must be a text or a list of texts"))
        problems.extend(_cut_off(f"vars: {key.value}", text) for text in texts if text.cut)
        if texts:
            found[key.value.strip()] = texts
    return found


def _cut_off(name: str, text: Text) -> Problem:
    return at(
        text, f"{quoted(name)} ends before a # which begins a comment; put the text in quotes if it goes on", False
    )


@dataclass
class _Axes:
    """What a job is made of: for each parameter, in the written order, the texts that it takes in turn."""

    texts: dict[str, list[Text]] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)  # the parameters that were written as lists
    extras: dict[str, str] = field(default_factory=dict)
    broken: bool = False  # a value is missing: its jobs can be checked, but not made
    no_prompt: bool = False  # told already


class Jobs:
    """What jobs share: defaults, vars, the rules; ``columns`` and ``used`` grow as jobs are read."""

    def __init__(
        self, rules: Rules, defaults: Entries, variables: Vars, overrides: Mapping[str, str] = NOTHING_SET
    ) -> None:
        self._rules = rules
        self._overrides = {name: Text(value, 0, 0) for name, value in overrides.items()}
        self._defaults = defaults
        self._vars = variables
        self._told: set[Problem] = set()
        self.columns: dict[str, None] = {}
        self.used: set[str] = set()  # names of vars

    def rows(self, job: Node, number: int) -> Iterator[Row | Problem]:
        """Return the rows of one item of ``jobs:``, and what is wrong with it."""
        entries = self._entries(job)
        problems: list[Problem] = []
        if entries is None:
            if not isinstance(job, Broken):
                message = "a job must be a mapping or a text (its prompt); write prompt: and the rest below it"
                yield at(job, message)
            return
        own = read_vars(entries.pop("vars")[1], problems) if "vars" in entries else {}
        axes = self._axes(entries, problems)
        scope = {**self._vars, **own}
        wanted = self._wanted(axes, scope, problems) if scope else {}
        unused = own.keys() - set(chain.from_iterable(wanted.values()))
        problems += [at(own[name][0], f"the var {quoted(name)} is not used by this job", False) for name in unused]
        for problem in problems:
            if problem not in self._told:
                self._remember(problem, job)
                yield problem
        yield from self._expanded(axes, scope, wanted, job, number)

    def _remember(self, problem: Problem, job: Node) -> None:
        """Of what stands above the jobs (in the defaults), each problem is told once."""
        if problem.line is not None and problem.line < job.line:
            self._told.add(problem)

    def _entries(self, job: Node) -> dict[str, tuple[Text, Node]] | None:
        """Return the job's keys with the defaults before them; a job's seeds replace a default seed."""
        if isinstance(job, Text) and job.value.strip():
            job = Keyed({"prompt": (job, job)}, job.line, job.column)
        if not isinstance(job, Keyed):
            return None
        hidden = set(job.entries)
        if hidden & {"seed", "seeds"}:
            hidden |= {"seed", "seeds"}
        entries = {name: entry for name, entry in self._defaults.items() if name not in hidden} | job.entries
        return entries | {
            name: (text, Text(text.value, job.line, job.column)) for name, text in self._overrides.items()
        }

    def _axes(self, entries: Entries, problems: list[Problem]) -> _Axes:
        axes = _Axes()
        for name, (key, value) in entries.items():
            if isinstance(value, Broken):
                axes.broken = True
                axes.no_prompt |= name == "prompt"
            elif name in KNOWN:
                self._parameter(axes, name, value, problems)
            else:
                self._extra(axes, key, value, entries, problems)
        return axes

    def _extra(self, axes: _Axes, key: Text, value: Node, entries: Entries, problems: list[Problem]) -> None:
        if asked := question(key.value, entries, "key"):
            problems.append(at(key, *asked))
            axes.no_prompt |= asked[1] and "prompt" not in entries
        if not isinstance(value, Text):
            problems.append(at(value, f"the key {quoted(key.value)} is your own and must be a text; put it in quotes"))
            return
        if key.value not in self.columns and len(self.columns) >= MOST_COLUMNS:
            problems.append(at(key, f"{quoted(key.value)} is one key too many; use at most {MOST_COLUMNS} of your own"))
            return
        if model := question_of_model(key.value, [value.value], "key"):
            problems.append(at(key, model, fatal=False))
        self.columns[key.value] = None
        axes.extras[key.value] = value.value

    def _parameter(self, axes: _Axes, name: str, value: Node, problems: list[Problem]) -> None:
        if name == "image_urls":
            texts, listed = _images(value, problems)
        elif name == "seeds":
            texts, listed = _seeds(value, problems), True
        else:
            listed = isinstance(value, Many)
            texts = _scalars(name, value, problems)
        if texts is None:
            axes.broken = True
            axes.no_prompt |= name == "prompt"
            return
        problems.extend(_cut_off(name, text) for text in texts if text.cut and name in _PROSE)
        texts = [Text("", text.line, text.column) if text.null else text for text in texts]  # as programs write it
        if name in ("seed", "seeds"):  # two names of one axis
            name = "seed"
            if any(text.value for text in texts) and any(text.value for text in axes.texts.get(name, ())):
                problems.append(at(value, "both seed and seeds are filled; empty one of the two"))
                axes.broken = True
        if any(text.value for text in texts) or name not in axes.texts:
            axes.texts[name] = texts or [Text("", value.line, value.column)]
            axes.lists += [name] if listed and texts else []

    def _wanted(self, axes: _Axes, scope: Vars, problems: list[Problem]) -> dict[str, list[str]]:
        """Return for each text the vars that it uses; a name that is none is a problem."""
        wanted: dict[str, list[str]] = {}
        for text in chain.from_iterable(axes.texts.get(name, ()) for name in _PROSE):
            names = placeholders.names(text.value)
            for name in names:
                if name not in scope:
                    hint = did_you_mean(name, list(scope)) or "; write {{ and }} for braces that are meant"
                    problems.append(at(text, f"no var is called {quoted(name)}{hint}"))
                    axes.broken = True
            wanted[text.value] = [name for name in names if name in scope]
            self.used.update(wanted[text.value])
        return wanted

    def _expanded(
        self, axes: _Axes, scope: Vars, wanted: Mapping[str, list[str]], job: Node, number: int
    ) -> Iterator[Row | Problem]:
        used = set(chain.from_iterable(wanted.values()))
        total = prod(map(len, axes.texts.values())) * prod(len(scope[name]) for name in used)
        if total > MOST_JOBS:
            yield at(job, f"its lists make {total} jobs, more than {MOST_JOBS}; split them")
            return
        told: set[Problem] = set()
        for texts in product(*axes.texts.values()):
            record = dict(zip(axes.texts, texts, strict=True))
            names = _used(record, scope, wanted)
            for chosen in product(*(scope[name] for name in names)):
                filling = {name: text.value for name, text in zip(names, chosen, strict=True)}
                for found in self._judged(axes, record, filling, job, number, bool(scope)):
                    if isinstance(found, Row):
                        yield found
                    elif found not in told and found not in self._told:
                        told.add(found)
                        self._remember(found, job)
                        yield found

    def _judged(
        self, axes: _Axes, record: Mapping[str, Text], filling: Mapping[str, str], job: Node, number: int, scoped: bool
    ) -> Iterator[Row | Problem]:
        """Return the row of one combination, or what is wrong with it."""
        cells = {name: text.value for name, text in record.items()}
        if scoped and not axes.broken:
            cells |= {name: placeholders.fill(cells[name], filling) for name in _PROSE if name in cells}
        made, findings = self._rules.judge(Cells(**cells))
        ids = () if made else _ids(cells, axes, record, filling)
        for name, message, fatal in findings:
            if message != MISSING_PROMPT or not axes.no_prompt:
                yield replace(at(record.get(name, job), message, fatal), ids=ids if fatal else ())
                ids = () if fatal else ids
        if made and not axes.broken:
            try:
                identity = _named(made.id, axes, record, filling)
                yield Row(number, job.line, made.request, identity, dict(axes.extras))
            except ValueError as error:
                yield at(record.get("id", job), str(error))


def _used(record: Mapping[str, Text], scope: Vars, wanted: Mapping[str, list[str]]) -> list[str]:
    """Return the vars that the texts of one combination use, in the order of their definition."""
    names = set(chain.from_iterable(wanted.get(record[name].value, ()) for name in _PROSE if name in record))
    return [name for name in scope if name in names]


def _ids(
    cells: Mapping[str, str], axes: _Axes, record: Mapping[str, Text], filling: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the id that a combination would have had, had nothing been wrong with it."""
    if axes.broken or not cells.get("id", "").strip():
        return ()
    try:
        name = _named(values.identity(cells["id"]), axes, record, filling)
    except ValueError:
        return ()
    return (name,) if name else ()


def _named(identity: str | None, axes: _Axes, record: Mapping[str, Text], filling: Mapping[str, str]) -> str | None:
    suffixes = [expand.suffix(name, record[name].value) for name in axes.lists if name != "id"]
    in_id = placeholders.names(record["id"].value) if "id" in record else []
    suffixes += [expand.suffix(name, value) for name, value in filling.items() if name not in in_id]
    return expand.with_suffixes(identity, suffixes)


def _scalars(name: str, value: Node, problems: list[Problem]) -> list[Text] | None:
    """Return the texts of a scalar or of a list of them; None where something else is among them."""
    items = value.items if isinstance(value, Many) else [value]
    bad = [item for item in items if not isinstance(item, Text)]
    problems.extend(
        at(item, f"{name} must be a text or a list of texts") for item in bad if not isinstance(item, Broken)
    )
    if not items:
        problems.append(at(value, f"{name} is an empty list; write a value, or leave {name} out"))
    return None if bad or not items else [item for item in items if isinstance(item, Text)]


def _images(value: Node, problems: list[Problem]) -> tuple[list[Text] | None, bool]:
    """Return the image cells, and whether they are an axis: a list of lists is, a list of links is one cell."""
    if not isinstance(value, Many):
        return _scalars("image_urls", value, problems), False
    lists = [item for item in value.items if isinstance(item, Many)]
    if not lists:
        return (_one_cell(value, problems) if value.items else []), False
    if len(lists) < len(value.items):
        message = "image_urls must be a list of links, or of lists of links, but not of both"
        problems.append(at(value, message))
        return None, False
    cells = [_one_cell(item, problems) for item in lists]
    return (None if None in cells else [cell[0] for cell in cells if cell]), True


def _one_cell(value: Many, problems: list[Problem]) -> list[Text] | None:
    """Return a list of links as the cell of a sheet would hold it."""
    links = _scalars("image_urls", value, problems) if value.items else []
    if links is None:
        return None
    cell = json.dumps([link.value for link in links if not link.null], ensure_ascii=False) if links else ""
    return [Text(cell, value.line, value.column)]


def _seeds(value: Node, problems: list[Problem]) -> list[Text] | None:
    """Return each seed of ``seeds``, a text like a sheet's or a list; None where they cannot be read."""
    texts = _scalars("seeds", value, problems)
    if texts is None or (len(texts) == 1 and (texts[0].null or not texts[0].value.strip())):
        return texts and []
    try:
        found = values.seeds(";".join(text.value for text in texts))
    except values.Refused as refused:
        problems.append(at(value, str(refused)))
        return None
    return [Text(str(seed), value.line, value.column) for seed in found]
