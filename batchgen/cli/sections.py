"""The help of a command with many options: under headings, in one column, without what a person need not know."""

import shutil
from collections.abc import Iterable

import click

SECTIONS = {
    "The sheet": "encoding sheet format model name set images-to check-images",
    "Which rows": "only limit shard retry-failed in-doubt reuse",
    "Where it goes": "batch to ledger-to",
    "What it may cost": "max-tasks budget budget-per-day price",
    "How fast, how long": "rate concurrency downloads first-poll poll-every spare-share "
    "callback-url callback-listen deadline",
    "The service": "emulator base-url api-key-file",
    "What is said": "xlsx json quiet plain verbose ping notify metrics",
}
OTHER = "Other"
WIDEST = 22
NARROW = 50  # columns, which click takes every terminal to have


class Formatter(click.HelpFormatter):
    """Wraps at words on a narrow terminal too, where click would write wider lines than fit."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        columns = shutil.get_terminal_size().columns - 2
        super().__init__(indent_increment, width or (columns if columns < NARROW else None), max_width)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """What is long on the left stands alone in its line, if that leaves too little on the right."""
        super().write_dl(rows, min(col_max, self.width // 2), col_spacing)


class Context(click.Context):
    """One whose help is written so."""

    formatter_class = Formatter


class Sectioned(click.Command):
    """Shows its options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write them, those of no section last."""
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*SECTIONS, OTHER)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record:
                sections[heading_of(parameter)].append(record)
        width = min(WIDEST, max(len(words) for records in sections.values() for words, _ in records))
        for heading, records in sections.items():
            if records:
                (first, told), *further = records
                with formatter.section(heading):
                    formatter.write_dl([(first.ljust(width), told), *further], col_max=WIDEST)


def heading_of(parameter: click.Parameter) -> str:
    """Under which heading an option stands."""
    names = {name.removeprefix("--") for name in parameter.opts}
    return next((heading for heading, words in SECTIONS.items() if names & set(words.split())), OTHER)
