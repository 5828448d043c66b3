"""Numbers as flags take them; who writes another is told which will do."""

import re
from math import isfinite
from typing import Any

import click

LARGEST = 1_000_000_000  # of any flag: further on, sums of money and moments no longer are what they say
_MOST_SHOWN = 30  # characters


class _Shown:
    """A number whose limits, such as ``x>=1``, are not in the help: whoever passes them is told."""

    name = "n"

    def _describe_range(self) -> str:
        return ""


class Count(_Shown, click.IntRange):
    """A whole number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail as click does."""
        if not _reads(click.INT, value):
            self.fail(f"{_short(value)} is not a whole number; write one{_span(self)}", param, ctx)
        if not _reads(click.IntRange(max=LARGEST), value):
            self.fail(f"{_short(value)} is out of range; write a whole number{_span(self, LARGEST)}", param, ctx)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value} is out of range; write a whole number{_span(self)}", param, ctx)


class Amount(_Shown, click.FloatRange):
    """A number that may have a point; who wrote a comma is told. Infinity is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail as click does."""
        if isinstance(value, str) and re.fullmatch(r"\s*[0-9.]*,[0-9]+\s*", value):
            self.fail(f"write {value.strip().replace('.', '').replace(',', '.')}, with a point", param, ctx)
        if not _reads(click.FLOAT, value) or not isfinite(float(value)):
            self.fail(f"{_short(value)} is not a number; write one{_span(self)}", param, ctx)
        if not _reads(click.FloatRange(max=LARGEST), value):
            self.fail(f"{_short(value)} is out of range; write a number{_span(self, LARGEST)}", param, ctx)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value} is out of range; write a number{_span(self)}", param, ctx)


def _reads(kind: click.ParamType[Any], value: Any) -> bool:
    try:
        kind.convert(value, None, None)
    except click.BadParameter:
        return False
    return True


def _span(number: click.IntRange | click.FloatRange, most: int | None = None) -> str:
    first = "" if number.min is None else f" {'above' if number.min_open else 'from'} {number.min}"
    last = number.max if number.max is not None else most
    return first if last is None else f"{first} to {last}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
