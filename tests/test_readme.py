"""What the README says can be done, can be done."""

import re
import shlex
from pathlib import Path

import click
import pytest

from batchgen.cli import group
from tests import readme

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = "|".join(group.commands)
COMMANDS = re.findall(rf"^ {{4}}(?:.*?/)?batchgen ((?:{NAMES})\b.*?)(?: {{2,}}.*)?$", README, re.MULTILINE)


def test_the_readme_names_commands() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_has_the_flags_that_it_uses(line: str) -> None:
    name, *words = shlex.split(line)
    own, others = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    assert {word for word in own if word.startswith("--")} <= flags_of(name)
    assert {word for word in others if word.startswith("--")} <= flags_of("run")


def flags_of(name: str) -> set[str]:
    params = group.commands[name].params
    return {flag for parameter in params for flag in parameter.opts if isinstance(parameter, click.Option)}


def test_what_the_readme_says_of_commands_and_options_is_what_the_program_says() -> None:
    assert readme.written() == README, "make readme writes it anew"


def test_every_command_is_in_the_readme() -> None:
    for name in group.commands:
        assert f"batchgen {name}" in README, name


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)\b", README)) - {"alone"}))
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    if target in ("a", "the", "it"):
        pytest.skip("a word")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_a_file_that_the_readme_links_to_exists(path: str) -> None:
    assert (ROOT / path).exists()
