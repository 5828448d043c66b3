"""What of the README the program says itself: ``python -m tests.readme`` writes it anew (``make readme``)."""

import re
from pathlib import Path

import click
from click.testing import CliRunner

from batchgen.cli import group

README = Path(__file__).parent.parent / "README.md"


def written() -> str:
    """The README as it should be: each part between ``<!-- NAME -->`` and ``<!-- end -->`` made from the program."""
    text = README.read_text(encoding="utf-8")
    for name, part in {"help": _help(), "options": _options()}.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda found, part=part: f"{found[1]}\n{part}{found[2]}", text)  # type: ignore[misc]
    return text


def _help() -> str:
    shown = CliRunner().invoke(group, ["--help"], prog_name="batchgen", terminal_width=78).output
    return "".join(f"    {line}".rstrip() + "\n" for line in shown.splitlines())


def _options() -> str:
    """A table of each command's own options; those of ``run`` stand once, for all that share them."""
    shared = {option.name: option for option in _of(group.commands["run"])}
    tables = [_table("run", list(shared.values()))]
    for name, command in group.commands.items():
        own = [option for option in _of(command) if not _is_same(option, shared.get(option.name))]
        if name != "run" and own:
            tables.append(_table(name, own))
    return "\n".join(tables)


def _of(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def _is_same(option: click.Option, other: click.Option | None) -> bool:
    return other is not None and (option.help == other.help or option.name == "as_json")


def _table(name: str, options: list[click.Option]) -> str:
    rows = (f"| {_cell(how)} | {_cell(what, code=False)} |" for how, what in map(_record, options))
    return "\n".join([f"| `batchgen {name}` | |", "| --- | --- |", *rows]) + "\n"


def _record(option: click.Option) -> tuple[str, str]:
    record = option.get_help_record(click.Context(click.Command("batchgen")))
    assert record
    how, what = record
    return how, re.sub(r"\[(default: [^\]]+)\]?", r"(\1)", what)


def _cell(text: str, *, code: bool = True) -> str:
    text = re.sub(r"\s+", " ", text).replace("|", "\\|").strip()
    return f"`{text}`" if code else text


if __name__ == "__main__":
    README.write_text(written(), encoding="utf-8")
