"""What is told on a terminal is as wide as it is: broken between words, and a command is left whole."""

import io
import os
import subprocess
import sys
from shlex import split

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.cli.terminal import fitted, say
from batchgen.words import with_command


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


@pytest.mark.parametrize("path", ["prompts.csv", "/a film, part (2); it's one/p.csv"])
def test_a_command_is_left_whole(path: str) -> None:
    lines = told(with_command("the rows are continued; the sheet is read by", "run", path), 20)
    assert lines[:3] == ["the rows are", "continued; the sheet", "is read by:"]
    assert [split(line) for line in lines[3:]] == [["batchgen", "run", path]]


def test_what_only_speaks_of_a_command_is_broken_as_all_else() -> None:
    assert told("batchgen run prompts.csv reads the sheet and then", 20) == [
        "batchgen run",
        "prompts.csv reads",
        "the sheet and then",
    ]


def test_what_takes_two_columns_is_counted_as_two() -> None:
    assert told("湖を渡る 狐 は 赤い", 11) == ["湖を渡る 狐", "は 赤い"]
    assert told("湖を渡る 狐 は 赤い", 10) == ["湖を渡る", "狐 は 赤い"]


@given(st.text("ab \n", max_size=200), st.integers(5, 60))
def test_no_word_is_lost_and_no_line_is_wider_than_it_must_be(text: str, columns: int) -> None:
    lines = told(text, columns)
    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= columns or len(line.split()) == 1 for line in lines)


def test_where_there_is_no_terminal_nothing_is_broken() -> None:
    assert fitted("a " * 200, io.StringIO()) == "a " * 200


def test_nothing_that_is_said_commands_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("the row \x1b]0;owned\x07 failed\nin film\u202e.batch")
    assert capsys.readouterr().err == "the row \\x1b]0;owned\\x07 failed\nin film\\u202e.batch\n"


@pytest.mark.parametrize("words", [["--help"], ["schema"]])
def test_a_reader_that_has_gone_is_no_failure_of_rows(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as gone:
        ended = subprocess.run([sys.executable, "-m", "batchgen", *words], stdout=gone, stderr=subprocess.PIPE)
    assert (ended.returncode, ended.stderr) == (141, b"")
