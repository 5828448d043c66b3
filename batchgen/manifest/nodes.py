"""Nested values as text, whatever the format: what YAML's and JSON's parsers make, and what ``jobs`` expands."""

from dataclasses import dataclass

from batchgen.manifest.headings import canonical
from batchgen.manifest.quoting import quoted
from batchgen.manifest.records import LONGEST_CELL
from batchgen.manifest.values import UNSTORABLE
from batchgen.model import Problem
from batchgen.words import escaped

DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar. Lines and columns of all nodes count from 1."""

    value: str
    line: int
    column: int
    is_plain: bool = False  # written without quotes: only then may it mean "nothing"
    is_cut: bool = False  # a comment which looks like a part of the text follows it

    @property
    def is_null(self) -> bool:
        """Whether it is one of YAML's words for nothing."""
        return self.is_plain and self.value in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Many:
    """A sequence."""

    items: list["Node"]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Keyed:
    """A mapping: its keys (as their parameter is called, where they are one) to the key's text and the value."""

    entries: dict[str, tuple[Text, "Node"]]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Broken:
    """What was refused and told already; whatever needs it is left out without a further word."""

    line: int
    column: int


Node = Text | Many | Keyed | Broken


def at(node: Node, message: str, fatal: bool = True) -> Problem:
    """Return the problem, standing where the node does."""
    return Problem(node.line, str(node.column), message, fatal)


def scalar(
    problems: list[Problem], value: str, line: int, column: int, is_plain: bool = False, is_cut: bool = False
) -> Node:
    """Return the text, unless it is one that nothing takes, which is a problem."""
    if len(value) > LONGEST_CELL:
        fault = f"is longer than {LONGEST_CELL} characters"
    elif bad := UNSTORABLE.search(value):
        fault = f"holds a character that no text can have ({escaped(bad[0])})"
    else:
        return Text(value, line, column, is_plain, is_cut)
    return broken(problems, line, column, f"{quoted(value)} {fault}; shorten or mend it")


def broken(problems: list[Problem], line: int, column: int, message: str) -> Broken:
    """Refuse what stands there."""
    problems.append(Problem(line, str(column), message))
    return Broken(line, column)


def enter(problems: list[Problem], entries: dict[str, tuple[Text, Node]], key: Text, value: Node) -> None:
    """Put the value under its key, unless the key is there already, which is a problem."""
    name = canonical(key.value) or key.value
    if name in entries:
        problems.append(at(key, f"the key {quoted(key.value)} appears twice; delete one of the two"))
    else:
        entries[name] = (key, value)
