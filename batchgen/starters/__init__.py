"""``batchgen init``: a sheet and a YAML to begin with, never over a file that is there."""

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.manifest.schema import schema_text

SCHEMA_FILE = "batchgen.schema.json"
FILES = ("prompts.csv", "prompts.yaml", SCHEMA_FILE)


def write_starter(folder: Path) -> list[Path]:
    """Write the files into ``folder``, made where it is missing; returns them.

    Raises UsageError, with nothing written, where one of them is there already, or cannot be written.
    """
    paths = [folder / name for name in FILES]
    there = [str(path) for path in paths if os.path.lexists(path)]
    if there:
        are, them = ("are", "them") if len(there) > 1 else ("is", "it")
        raise UsageError(f"{', '.join(there)} {are} there already; move {them} away, or name another folder")
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made.extend(_written(paths))
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from None
    return made


def _written(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        with path.open("x", encoding="utf-8", newline="") as file:
            yield path  # from here on it is ours, to be taken away if the rest fails
            file.write(_content(path.name))


def _content(name: str) -> str:
    if name == SCHEMA_FILE:
        return schema_text()
    return resources.files(__name__).joinpath(name).read_text("utf-8")
