"""What the tests of this room share: text in, rows and problems out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import ManifestError
from batchgen.manifest import open_manifest
from batchgen.model import Problem, Row
from batchgen.request import Request
from batchgen.rows import Rows


def singly(items: Iterable[Rows | Row | Problem]) -> Iterator[Row | Problem]:
    """The rows and problems of a manifest, one by one."""
    for item in items:
        if isinstance(item, Rows):
            yield from item
        else:
            yield item


@dataclass
class Read:
    rows: list[Row]
    problems: list[Problem]
    columns: tuple[str, ...] = ()

    @property
    def requests(self) -> list[Request]:
        return [row.request for row in self.rows]

    @property
    def prompts(self) -> list[str]:
        return [request.prompt for request in self.requests]

    @property
    def ids(self) -> list[str | None]:
        return [row.id for row in self.rows]

    @property
    def fatal(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.fatal]

    @property
    def told(self) -> str:
        return "\n".join(map(str, self.problems))


def read_file(path: Path, encoding: str | None = None) -> Read:
    """The file as read to its end; a ManifestError counts as its problems."""
    try:
        manifest = open_manifest(path, model="wan-2-5", encoding=encoding)
    except ManifestError as error:
        return Read([], list(error.problems))
    found = list(singly(manifest))
    rows = [item for item in found if isinstance(item, Row)]
    return Read(rows, [item for item in found if isinstance(item, Problem)], manifest.columns)


def read(folder: Path, text: str | bytes, name: str = "sheet.csv", encoding: str | None = None) -> Read:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_file(path, encoding)
