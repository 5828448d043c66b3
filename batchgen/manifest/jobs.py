"""One job of a YAML or JSON manifest -> rows: defaults under it, the product of its lists, ``{name}`` from vars."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, product
from math import prod

from batchgen.manifest import expand, placeholders, values
from batchgen.manifest.headings import MOST_COLUMNS, question, question_of_cells
from batchgen.manifest.nodes import Broken, Keyed, Many, Node, Text, at
from batchgen.manifest.quoting import did_you_mean, quoted
from batchgen.manifest.rules import KNOWN, MISSING_PROMPT, Cells, Rules
from batchgen.model import Problem, Row
from batchgen.words import escaped

MOST_JOBS = 1_000_000  # that one job of the file may expand to
_PROSE = ("prompt", "negative_prompt", "id")  # where {name} is filled in

Entries = Mapping[str, tuple[Text, Node]]
Vars = Mapping[str, list[Text]]


def read_vars(node: Node, problems: list[Problem]) -> dict[str, list[Text]]:
    """Return the values of each variable; whatever is none goes to ``problems``."""
    if not isinstance(node, Keyed):
        if not isinstance(node, Broken) and not (isinstance(node, Text) and node.is_null):
            problems.append(at(node, "vars must be a mapping; write each as name: [value, value]"))
        return {}
    found = {}
    for key, value in node.entries.values():
        items = value.items if isinstance(value, Many) else [value]
        texts = [item for item in items if isinstance(item, Text)]
        if len(texts) < len(items) or not texts:
            problems.append(at(value, f"vars: {quoted(key.value)} must be a text or a list of texts"))
        problems.extend(_cut_off(f"vars: {key.value}", text) for text in texts if text.is_cut)
        if texts:
            found[key.value.strip()] = texts
    return found


def _cut_off(name: str, text: Text) -> Problem:
    return at(
        text, f"{quoted(name)} ends before a # which begins a comment; put the text in quotes if it goes on", False
    )


@dataclass
class _Job:
    """One item of ``jobs:``. Each combination of its texts, and of the vars that they use, becomes a row."""

    node: Node
    number: int
    problems: list[Problem] = field(default_factory=list)
    texts: dict[str, list[Text]] = field(default_factory=dict)  # of each parameter, in the written order
    lists: list[str] = field(default_factory=list)  # the parameters that were written as lists
    extras: dict[str, str] = field(default_factory=dict)
    scope: Vars = field(default_factory=dict)  # the vars that may be used: the file's, and its own
    wanted: dict[str, list[str]] = field(default_factory=dict)  # of each text, the vars that it uses
    is_broken: bool = False  # a value is missing: its rows can be checked, but not made
    is_prompt_told: bool = False  # what is wrong with it

    @property
    def used(self) -> set[str]:
        """The vars that its texts use."""
        return set(chain.from_iterable(self.wanted.values()))

    def used_in(self, record: Mapping[str, Text]) -> list[str]:
        """The vars that the texts of one combination use, in the order of their definition."""
        names = set(chain.from_iterable(self.wanted.get(record[name].value, ()) for name in _PROSE if name in record))
        return [name for name in self.scope if name in names]

    def named(self, identity: str | None, record: Mapping[str, Text], filling: Mapping[str, str]) -> str | None:
        """The id of a combination; ``identity``: as it is written. Raises ValueError for one that grows too long."""
        suffixes = [expand.suffix(name, record[name].value) for name in self.lists if name != "id"]
        in_id = placeholders.names(record["id"].value) if "id" in record else []
        suffixes += [expand.suffix(name, value) for name, value in filling.items() if name not in in_id]
        return expand.with_suffixes(identity, suffixes)

    def ids(self, cells: Mapping[str, str], record: Mapping[str, Text], filling: Mapping[str, str]) -> tuple[str, ...]:
        """The id that a combination would have had, had nothing been wrong with it."""
        if self.is_broken or not cells.get("id", "").strip():
            return ()
        try:
            name = self.named(values.identity(cells["id"]), record, filling)
        except ValueError:
            return ()
        return (name,) if name else ()


class Jobs:
    """What jobs share: defaults, vars, the rules; ``columns`` grows as jobs are read."""

    def __init__(self, rules: Rules, defaults: Entries, variables: Vars, overrides: Mapping[str, str]) -> None:
        self._rules = rules
        self._overrides = {name: Text(value, 0, 0) for name, value in overrides.items()}
        self._defaults = defaults
        self._vars = variables
        self._told: set[Problem] = set()  # of what stands above the jobs, in the defaults
        self.columns: dict[str, None] = {}
        self._used: set[str] = set()  # names of vars

    def rows(self, node: Node, number: int) -> Iterator[Row | Problem]:
        """Return the rows of one item of ``jobs:``, and what is wrong with it."""
        entries = self._entries(node)
        if entries is None:
            if not isinstance(node, Broken):
                message = "a job must be a mapping or a text (its prompt); write prompt: and the rest below it"
                yield at(node, message)
            return
        job = _Job(node, number)
        own = read_vars(entries.pop("vars")[1], job.problems) if "vars" in entries else {}
        for name, (key, value) in entries.items():
            if isinstance(value, Broken):
                job.is_broken = True
                job.is_prompt_told |= name == "prompt"
            elif name in KNOWN:
                self._parameter(job, name, value)
            else:
                self._extra(job, key, value, entries)
        job.scope = {**self._vars, **own}
        if job.scope:
            self._fill_in(job)
        unused = own.keys() - job.used
        job.problems += [at(own[name][0], f"the var {quoted(name)} is not used by this job", False) for name in unused]
        yield from self._untold(job.problems, job)
        yield from self._expanded(job)

    def unused(self) -> Iterator[Problem]:
        """Return a question for each of the file's vars that no job has used so far."""
        for name in self._vars.keys() - self._used:
            message = f"the var {quoted(name)} is used by no job; write {{{escaped(name)}}} in a prompt"
            yield at(self._vars[name][0], message, False)

    def _untold(self, problems: Iterable[Problem], job: _Job) -> Iterator[Problem]:
        """Return those that were not told before: of what stands above the jobs, each is told once."""
        for problem in problems:
            if problem not in self._told:
                if problem.line is not None and problem.line < job.node.line:
                    self._told.add(problem)
                yield problem

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

    def _extra(self, job: _Job, key: Text, value: Node, entries: Entries) -> None:
        if asked := question(key.value, entries, "key"):
            job.problems.append(at(key, *asked))
            job.is_prompt_told |= asked[1] and "prompt" not in entries
        if not isinstance(value, Text):
            message = f"the key {quoted(key.value)} is your own and must be a text; put it in quotes"
            job.problems.append(at(value, message))
            return
        if key.value not in self.columns and len(self.columns) >= MOST_COLUMNS:
            message = f"{quoted(key.value)} is one key too many; use at most {MOST_COLUMNS} of your own"
            job.problems.append(at(key, message))
            return
        if of_value := question_of_cells(key.value, [value.value], entries, "key"):
            job.problems.append(at(key, of_value, fatal=False))
        self.columns[key.value] = None
        job.extras[key.value] = value.value

    def _parameter(self, job: _Job, name: str, value: Node) -> None:
        if name == "image_urls":
            texts, listed = _images(value, job.problems)
        elif name == "seeds":
            texts, listed = _seeds(value, job.problems), True
        else:
            listed = isinstance(value, Many)
            texts = _scalars(name, value, job.problems)
        if texts is None:
            job.is_broken = True
            job.is_prompt_told |= name == "prompt"
            return
        job.problems.extend(_cut_off(name, text) for text in texts if text.is_cut and name in _PROSE)
        texts = [Text("", text.line, text.column) if text.is_null else text for text in texts]  # as programs write it
        if name in ("seed", "seeds"):  # two names of one list
            name = "seed"
            if any(text.value for text in texts) and any(text.value for text in job.texts.get(name, ())):
                job.problems.append(at(value, "both seed and seeds are filled; empty one of the two"))
                job.is_broken = True
        if any(text.value for text in texts) or name not in job.texts:
            job.texts[name] = texts or [Text("", value.line, value.column)]
            job.lists += [name] if listed and texts else []

    def _fill_in(self, job: _Job) -> None:
        """Find the vars that its texts use; a name that is none is a problem."""
        for text in chain.from_iterable(job.texts.get(name, ()) for name in _PROSE):
            names = placeholders.names(text.value)
            for name in names:
                if name not in job.scope:
                    hint = did_you_mean(name, list(job.scope)) or "; write {{ and }} for braces that are meant"
                    job.problems.append(at(text, f"no var is called {quoted(name)}{hint}"))
                    job.is_broken = True
            job.wanted[text.value] = [name for name in names if name in job.scope]
        self._used |= job.used

    def _expanded(self, job: _Job) -> Iterator[Row | Problem]:
        total = prod(map(len, job.texts.values())) * prod(len(job.scope[name]) for name in job.used)
        if total > MOST_JOBS:
            yield at(job.node, f"its lists make {total} jobs, more than {MOST_JOBS}; split them")
            return
        told: set[Problem] = set()
        for texts in product(*job.texts.values()):
            record = dict(zip(job.texts, texts, strict=True))
            names = job.used_in(record)
            for chosen in product(*(job.scope[name] for name in names)):
                filling = {name: text.value for name, text in zip(names, chosen, strict=True)}
                for found in self._judged(job, record, filling):
                    if isinstance(found, Row):
                        yield found
                    elif found not in told:
                        told.add(found)
                        yield from self._untold([found], job)

    def _judged(self, job: _Job, record: Mapping[str, Text], filling: Mapping[str, str]) -> Iterator[Row | Problem]:
        """Return the row of one combination, or what is wrong with it."""
        cells = {name: text.value for name, text in record.items()}
        if job.scope and not job.is_broken:
            cells |= {name: placeholders.fill(cells[name], filling) for name in _PROSE if name in cells}
        made, findings = self._rules.judge(Cells(**cells))
        ids = () if made else job.ids(cells, record, filling)
        for name, message, fatal in findings:
            if message != MISSING_PROMPT or not job.is_prompt_told:
                yield replace(at(record.get(name, job.node), message, fatal), ids=ids if fatal else ())
                ids = () if fatal else ids
        if made and not job.is_broken:
            try:
                identity = job.named(made.id, record, filling)
                yield Row(job.number, job.node.line, made.request, identity, dict(job.extras))
            except ValueError as error:
                yield at(record.get("id", job.node), str(error))


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
    """Return the image cells, and whether there may be several: a list of lists is so, a list of links is one cell."""
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
    cell = json.dumps([link.value for link in links if not link.is_null], ensure_ascii=False) if links else ""
    return [Text(cell, value.line, value.column)]


def _seeds(value: Node, problems: list[Problem]) -> list[Text] | None:
    """Return each seed of ``seeds``, a text like a sheet's or a list; None where they cannot be read."""
    texts = _scalars("seeds", value, problems)
    if texts is None or (len(texts) == 1 and (texts[0].is_null or not texts[0].value.strip())):
        return texts and []
    try:
        found = values.seeds(";".join(text.value for text in texts))
    except values.Refused as refused:
        problems.append(at(value, str(refused)))
        return None
    return [Text(str(seed), value.line, value.column) for seed in found]
