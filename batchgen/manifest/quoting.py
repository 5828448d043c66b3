"""How a manifest's text is quoted to a person, and what was most likely meant by it. Pure."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from batchgen.words import escaped

_LONGEST = 60  # characters of a value that are shown


def quoted(text: str) -> str:
    """Return the text in quotes, escaped, and cut to a length that fits into a message."""
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return f'"{escaped(cut)}"'


def alternatives(words: Iterable[object]) -> str:
    """``720p or 1080p``; ``5, 10 or 15``."""
    *first, last = map(str, words)
    return f"{', '.join(first)} or {last}" if first else last


def did_you_mean(text: str, words: Sequence[str]) -> str:
    """`` (did you mean 720p?)`` where one of ``words`` is near, else nothing."""
    folded = {word.casefold(): word for word in words}
    near = get_close_matches(text.strip().casefold()[:_LONGEST], folded, 1, 0.6)
    return f" (did you mean {folded[near[0]]}?)" if near else ""
