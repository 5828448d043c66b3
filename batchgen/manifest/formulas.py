"""Formula injection: a spreadsheet runs a cell which begins like a formula, unless an apostrophe stands before it.

Pure. The report guards every cell that it writes, and the manifest's reader takes the guard off again when
such a file comes back, so that a prompt ``=1+1`` survives the round to the character.
"""

import re

# Leading blanks do not stop a spreadsheet from seeing the sign behind them; TAB, CR and LF are triggers
# themselves. A text that begins with an apostrophe of its own is guarded too: otherwise it could not be
# told from a guarded one.
_DANGEROUS = re.compile(r"'|[^\S\t\r\n]*[=+\-@\t\r\n＝＋－＠]")


def guard(text: str) -> str:
    """Return the cell as a spreadsheet may show it: with an apostrophe before it where it could be run."""
    if not text or text[0].isalnum():  # most cells, at a tenth of the cost
        return text
    return "'" + text if _DANGEROUS.match(text) else text


def unguard(text: str) -> str:
    """Return what :func:`guard` was given; an apostrophe that guard would not have set is left alone."""
    return text[1:] if text.startswith("'") and _DANGEROUS.match(text, 1) else text
