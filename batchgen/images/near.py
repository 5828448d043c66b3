"""What may be meant by the name of an image that no file has."""

import os
import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path

MOST_QUESTIONS = 20  # each looks through a folder's names: of a million slips the first tell enough
MOST_NAMES = 1000  # with the same numbers in them
_NEAR = 0.75  # of 1: the share of letters that two names have in common
_DIGITS = re.compile(r"\d+")


class Near:
    """Names near those that were not found, for paths relative to ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = MOST_QUESTIONS
        self._names = cache(_names)

    def question(self, text: str) -> str:
        """`` (did you mean images/fox.jpg?)``, or nothing: a name with other numbers is that of another image."""
        if not self._left:
            return ""
        self._left -= 1
        path = Path(text.replace("\\", "/"))  # as Windows writes it
        alike = self._names(self._folder / path.parent).get(_numbers(path.name), {})
        near = get_close_matches(path.name.casefold(), alike, 1, _NEAR)
        return f" (did you mean {path.with_name(alike[near[0]])}?)" if near else ""


def _names(folder: Path) -> dict[tuple[str, ...], dict[str, str]]:
    """The names in a folder, and how they are written in small letters, by the numbers in them."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return found
    for name in names:
        alike = found.setdefault(_numbers(name), {})
        if name.isprintable() and len(alike) < MOST_NAMES:
            alike[name.casefold()] = name
    return found


def _numbers(name: str) -> tuple[str, ...]:
    return tuple(_DIGITS.findall(name))
