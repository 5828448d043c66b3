"""What real shells make of the TAB key."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import batchgen, environment, prompts

PATIENCE_SECONDS = 120.0


class Terminal:
    """An interactive bash on a terminal of its own, with completion as a user sets it up."""

    def __init__(self, folder: Path) -> None:
        home = Path(sys.executable).parent
        (folder / ".rc").write_text(
            "PS1='$ '; bind 'set enable-bracketed-paste off'; source <(batchgen completion bash)"
        )
        self._near, far = os.openpty()
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--rcfile", folder / ".rc", "-i"],
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            cwd=folder,
            env=environment(TERM="dumb", INPUTRC="/dev/null") | {"PATH": f"{home}:{os.environ['PATH']}"},
        )
        os.close(far)
        os.set_blocking(self._near, False)
        self._seen = ""
        self.until("$ ")

    def until(self, words: str) -> str:
        """What was seen, as soon as it holds the words."""
        end = time.monotonic() + PATIENCE_SECONDS
        while words not in self._seen:
            assert time.monotonic() < end, f"not seen: {words!r} in {self._seen!r}"
            try:
                self._seen += os.read(self._near, 10_000).decode()
            except BlockingIOError:
                time.sleep(0.02)
        seen, self._seen = self._seen, ""
        return seen

    def type(self, text: str) -> None:
        os.write(self._near, text.encode())

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._near)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    prompts(tmp_path / "night shoot.csv", 1)
    (tmp_path / "night shoot.batch").mkdir()
    (tmp_path / "films").mkdir()
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("batchgen sta\t", "batchgen status "),
        ("batchgen run --budget-p\t", "--budget-per-day "),
        ("batchgen run x.csv --in-doubt re\t", "resubmit "),
        ("batchgen status nig\t", "night\\ shoot.batch/"),
        ("batchgen run night\\ shoot.c\t", "night\\ shoot.csv "),
        ("batchgen run x.csv --to fi\t", "films/"),
        ("batchgen run x.csv --api-key-file night\\ shoot.c\t", "night\\ shoot.csv "),
    ],
)
def test_bash_completes(terminal: Terminal, typed: str, completed: str) -> None:
    terminal.type(typed)
    assert completed in terminal.until(completed)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_the_script_of_each_shell_is_one(tmp_path: Path, shell: str) -> None:
    ended = await batchgen("completion", shell, cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert f"_BATCHGEN_COMPLETE={shell}_complete" in ended.out
    if where := shutil.which(shell):
        subprocess.run([where, "-n", "/dev/stdin"], input=ended.out, text=True, check=True)
