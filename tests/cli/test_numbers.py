"""A flag's number is one, and in its range, or it is said which of the two it is not."""

from typing import Any

import click
import pytest

from batchgen.cli.numbers import Amount, Count
from batchgen.cli.starting import emulator


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Count(0, 65535), "70000", "70000 is out of range; write a whole number from 0 to 65535"),
        (Count(min=1), "0", "0 is out of range; write a whole number from 1"),
        (Count(min=1), "1.5", "1.5 is not a whole number; write one from 1"),
        (Amount(0.01, 1), "2", "2 is out of range; write a number from 0.01 to 1"),
        (Amount(0.01, 1), "x", "x is not a number; write one from 0.01 to 1"),
        (Amount(min=0), "1e303", "1e303 is out of range; write a number from 0 to 1000000000"),
        (Count(min=1), "9" * 40, f"{'9' * 30}... is out of range; write a whole number from 1 to 1000000000"),
        (Count(min=1), "9" * 5000, f"{'9' * 30}... is not a whole number; write one from 1"),  # int() refuses it
        *[
            (Amount(min=0), text, f"{text} is not a number; write one from 0")
            for text in ("nan", "inf", "-inf", "1e999")
        ],
    ],
)
def test_what_is_wrong_with_a_number_is_said(kind: click.ParamType[Any], text: str, message: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert caught.value.message == message


@pytest.mark.parametrize("flag", ["--speed", "--credits"])
def test_no_emulator_is_made_of_what_is_no_number(flag: str) -> None:
    with pytest.raises(click.BadParameter, match="nan is not a number"):
        emulator.make_context("emulator", [flag, "nan"])
