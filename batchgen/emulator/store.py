"""The accepted tasks: in memory, and in a file when they are to outlive the process."""

import json
import os
from pathlib import Path
from typing import Any, TextIO

from batchgen.emulator.tasks import Task


class Store:
    """All accepted tasks in order, each written to the file (JSON lines) before its answer goes out.

    A flush suffices: the file must outlive a killed process, not a power cut.
    """

    def __init__(self, path: Path | None) -> None:
        self.tasks: list[Task] = []
        self.told: set[str] = set()  # ids of the tasks whose callback was answered with 200
        self._path = path
        self._by_id: dict[str, Task] = {}
        self._file: TextIO | None = None

    def open(self) -> int:
        """Open the file and return how many tasks it brought; a last line cut by a kill is dropped."""
        if self._path is None:
            return 0
        count = 0 if self.tasks else self._load(self._path)
        self._file = open(self._path, "a", encoding="utf-8", opener=_private)  # noqa: SIM115 - closed by close
        return count

    def _load(self, path: Path) -> int:
        text = path.read_text("utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        path.parent.mkdir(parents=True, exist_ok=True)
        if whole != text:
            path.write_text(whole, "utf-8")
        for line in whole.splitlines():
            self._take(json.loads(line))
        return len(self.tasks)

    def close(self) -> None:
        """Close the file; the tasks stay readable."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def find(self, task_id: str) -> Task | None:
        """Return the task with this id."""
        return self._by_id.get(task_id)

    def add(self, task: Task) -> None:
        """Accept a task."""
        self._write({"task": task.facts()})
        self._keep(task)

    def tell(self, task: Task) -> None:
        """Note that the task's callback was taken."""
        self._write({"told": task.id})
        self.told.add(task.id)

    def _keep(self, task: Task) -> None:
        self.tasks.append(task)
        self._by_id[task.id] = task

    def _take(self, line: dict[str, Any]) -> None:
        if "told" in line:
            self.told.add(line["told"])
        else:
            self._keep(Task.from_facts(line["task"]))

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._file.flush()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
