"""``{name}`` in a text, filled from ``vars:``. Pure."""

import re
from collections.abc import Mapping

# `{{` and `}}` are literal braces; a brace that belongs to nothing stands for itself.
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def names(text: str) -> list[str]:
    """Return the names that the text asks for, each once, in the order of their first use."""
    asked = (token[1].strip() for token in _TOKEN.finditer(text) if token[1] is not None)
    return list(dict.fromkeys(asked))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each ``{name}`` replaced; what is put in is not looked at again."""
    return _TOKEN.sub(lambda token: token[0][0] if token[1] is None else values[token[1].strip()], text)
