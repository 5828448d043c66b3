"""Numbers as flags take them; who writes another is told which will do."""

import re
from math import isfinite
from typing import Any

import click


class Count(click.IntRange):
    """A whole number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail as click does."""
        advice = f"write a whole number{_span(self)}"
        if not _reads(click.INT, value):
            self.fail(f"{value} is none; {advice}", param, ctx)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value} is out of range; {advice}", param, ctx)


class Amount(click.FloatRange):
    """A number that may have a point; who wrote a comma is told. Infinity is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail as click does."""
        if isinstance(value, str) and re.fullmatch(r"\s*[0-9.]*,[0-9]+\s*", value):
            self.fail(f"write {value.strip().replace('.', '').replace(',', '.')}, with a point", param, ctx)
        advice = f"write a number{_span(self)}"
        if not _reads(click.FLOAT, value) or not isfinite(float(value)):
            self.fail(f"{value} is none; {advice}", param, ctx)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value} is out of range; {advice}", param, ctx)


def _reads(kind: click.ParamType[Any], value: Any) -> bool:
    try:
        kind.convert(value, None, None)
    except click.BadParameter:
        return False
    return True


def _span(number: click.IntRange | click.FloatRange) -> str:
    first = "" if number.min is None else f" {'above' if number.min_open else 'from'} {number.min}"
    return first if number.max is None else f"{first} to {number.max}"
