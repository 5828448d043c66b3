"""What is told on a terminal is as wide as it is: broken between words, and never within a command."""

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.cli.terminal import fitted


class Terminal(io.StringIO):
    """One whose width the operating system is asked for."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


def told(text: str, columns: int) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((columns, 24)))
        return fitted(text, Terminal()).split("\n")


def test_a_long_line_is_broken_between_words_and_what_follows_stands_below_it() -> None:
    assert told("  what is in doubt was asked for", 20) == ["  what is in doubt", "    was asked for"]
    assert told("what is in doubt was asked for", 20) == ["what is in doubt was", "asked for"]


@pytest.mark.parametrize(
    "command", ["batchgen resolve '/a film/b.batch' --row ID --resubmit", "batchgen rescue prompts.batch"]
)
def test_a_command_is_left_whole(command: str) -> None:
    assert told(f"    {command}", 20) == [f"    {command}"]
    assert told("    batchgen rescue 'a, b (c).batch'", 20) == ["    batchgen rescue 'a, b (c).batch'"]
    assert f"{command}," in told(f"there is nothing to steer; start one with {command}, or (another)", 20)


@given(st.text("ab \n", max_size=200), st.integers(5, 60))
def test_no_word_is_lost_and_no_line_is_wider_than_it_must_be(text: str, columns: int) -> None:
    lines = told(text, columns)
    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= columns or len(line.split()) == 1 for line in lines)


def test_where_there_is_no_terminal_nothing_is_broken() -> None:
    assert fitted("a " * 200, io.StringIO()) == "a " * 200
