"""The help is to be read: a line or two an option, under headings, with an example each."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from batchgen.cli import group
from batchgen.cli.sections import OTHER, Sectioned, heading_of
from batchgen.emulator.faults import TABLE
from batchgen.emulator.tasks import MARKS


def options() -> Iterator[tuple[str, click.Option]]:
    for name, command in group.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter


def helped(*arguments: str, columns: int) -> str:
    return CliRunner().invoke(group, [*arguments, "--help"], prog_name="batchgen", terminal_width=columns).output


@pytest.mark.parametrize("name", group.commands)
def test_every_command_has_an_example(name: str) -> None:
    assert f"Example: batchgen {name}" in " ".join(helped(name, columns=78).split()) or name == "completion"


@pytest.mark.parametrize("name", [name for name in group.commands if name != "completion"])
def test_every_example_is_a_command_that_can_be_given(name: str) -> None:
    words = shlex.split(helped(name, columns=78).split("Example: batchgen ")[1].partition("\n\n")[0].partition(">")[0])
    asked = group.commands[words[0]].make_context(words[0], words[1:]).params
    assert {fault.partition("=")[0] for fault in asked.get("faults", ())} <= TABLE.keys()


def test_numbers_are_called_alike_in_every_help() -> None:
    context = click.Context(click.Command("batchgen"))
    shown = [f"{name} {option.name} {option.make_metavar(context)}" for name, option in options() if not option.is_flag]
    assert [each for each in shown if each.endswith((" INTEGER", " FLOAT", " RANGE", " TEXT"))] == []
    assert not [name for name in group.commands if re.search(r"x[<>]", helped(name, columns=78))]


@pytest.mark.parametrize(("name", "option"), list(options()))
def test_every_option_is_told_in_a_sentence(name: str, option: click.Option) -> None:
    assert option.help
    assert option.help[0].isupper() or not option.help[0].isalpha()
    assert option.help.split("  [")[0].rstrip().endswith("."), option.help


def test_the_help_of_the_emulator_explains_every_fault() -> None:
    text = helped("emulator", columns=78)
    assert [name for name in TABLE if f"\n  {name} " not in text] == []


def test_the_help_of_the_emulator_names_every_mark_that_a_prompt_may_hold() -> None:
    text = helped("emulator", columns=78)
    assert MARKS.keys() > {"[violation]", "[fail:CODE]", "[slow:SECONDS]"}
    assert [mark for mark in MARKS if f"\n  {mark} " not in text] == []


@pytest.mark.parametrize("name", ["", *group.commands])
def test_on_a_narrow_terminal_the_help_is_wrapped_at_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    arguments = [name, "--help"] if name else ["--help"]
    for line in CliRunner().invoke(group, arguments, prog_name="batchgen").output.splitlines():
        assert len(line) <= 40 or len(line.split()) == 1, line


@pytest.mark.parametrize("columns", [50, 78, 98])
@pytest.mark.parametrize("name", group.commands)
def test_the_help_fits_its_terminal(name: str, columns: int) -> None:
    for line in helped(name, columns=columns).splitlines():
        assert len(line) <= columns or len(line.split()) == 1, line


@pytest.mark.parametrize("name", [name for name, command in group.commands.items() if isinstance(command, Sectioned)])
def test_every_option_of_a_long_help_stands_under_a_heading_and_none_twice(name: str) -> None:
    text = helped(name, columns=78).split("Example:")[1]
    for option in group.commands[name].params:
        if isinstance(option, click.Option):
            assert heading_of(option) != OTHER, f"{option.opts[0]}: give it a heading in batchgen/cli/sections.py"
            assert text.count(f"\n  {option.opts[0]} ") + text.count(f"\n  {option.opts[0]}\n") == 1
    assert "x>" not in text
