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
    """A table of what ``run`` takes; of the other commands, each one's own help tells."""
    run = group.commands["run"]
    rows = [option.get_help_record(click.Context(run)) for option in run.params if isinstance(option, click.Option)]
    cells = (f"| `{_cell(how)}` | {_cell(_plain(what))} |\n" for how, what in filter(None, rows))
    return "| `batchgen run` | |\n| --- | --- |\n" + "".join(cells)


def _plain(text: str) -> str:
    return re.sub(r"\[(default: [^\]]+)\]?", r"(\1)", text)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


if __name__ == "__main__":
    README.write_text(written(), encoding="utf-8")
