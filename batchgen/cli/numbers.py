"""Numbers as flags take them; who writes another is told which will do."""

import re
from typing import Any

import click


class Count(click.IntRange):
    """A whole number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail as click does."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value} is none; write a whole number{_span(self)}", param, ctx)


class Amount(click.FloatRange):
    """A number that may have a point; who wrote a comma is told."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail as click does."""
        if isinstance(value, str) and re.fullmatch(r"\s*[0-9.]*,[0-9]+\s*", value):
            self.fail(f"write {value.strip().replace('.', '').replace(',', '.')}, with a point", param, ctx)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value} is none; write a number{_span(self)}", param, ctx)


def _span(number: click.IntRange | click.FloatRange) -> str:
    first = "" if number.min is None else f" {'above' if number.min_open else 'from'} {number.min}"
    return first if number.max is None else f"{first} to {number.max}"
