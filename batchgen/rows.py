"""Many rows at once, in columns: a million of them pass from a manifest to the ledger without an object for each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from batchgen.model import Problem, Row
from batchgen.request import Request, from_json, to_json


@dataclass
class Rows:
    """Rows in their order, each column as long as the others; who iterates gets each as a :class:`Row`."""

    numbers: Sequence[int]  # as of Row
    lines: Sequence[int]
    ids: Sequence[str | None]
    prompts: Sequence[str]
    seeds: Sequence[int | None]
    requests: Sequence[str]  # JSON of the public ones
    extras: Sequence[str | None]  # JSON; None: the manifest has no columns of its own
    signed: Mapping[int, str] = field(default_factory=dict)  # place -> JSON of the request whose links are signed

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        """The rows in columns."""
        requests = [row.request for row in rows]
        public = [request.public for request in requests]
        return cls(
            [row.number for row in rows],
            [row.line for row in rows],
            [row.id for row in rows],
            [request.prompt for request in requests],
            [request.seed for request in requests],
            [request.to_json() for request in public],
            [to_json(row.extras) if row.extras else None for row in rows],
            {at: whole.to_json() for at, whole in enumerate(requests) if public[at] is not whole},
        )

    def part(self, first: int, end: int) -> "Rows":
        """Those from one place to before another, of which none is signed."""
        cut = slice(first, end)
        columns = (self.numbers, self.lines, self.ids, self.prompts, self.seeds, self.requests, self.extras)
        return Rows(*(column[cut] for column in columns))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Row]:
        for at, request in enumerate(self.requests):
            whole = Request.from_json(self.signed.get(at, request))
            extras = self.extras[at]
            yield Row(self.numbers[at], self.lines[at], whole, self.ids[at], from_json(extras) if extras else {})


def together(items: Iterable[Rows | Row | Problem], most: int = 1000) -> Iterator[Rows | Problem]:
    """The rows and problems of a manifest, in as large pieces as they come; single rows in a row are one piece."""
    gathered: list[Row] = []
    for item in items:
        if isinstance(item, Row):
            gathered.append(item)
            if len(gathered) < most:
                continue
        if gathered:
            yield Rows.of(gathered)
            gathered = []
        if not isinstance(item, Row):
            yield item
    if gathered:
        yield Rows.of(gathered)
