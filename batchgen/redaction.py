"""Text without what nobody but the service may read: the key, callbacks' secrets, what signs a link."""

import re
from collections.abc import Callable
from functools import partial

LONG_KEY = 8  # characters, from which a key stands in no other word by chance
_SECRETS = r"Bearer\s+\S+|(?<=\?)[^\s\"'<>]+"
# A callback's secret (secrets.token_urlsafe(32)), however the address before it is escaped.
_UNGUESSABLE = r"(?:(?<![\w-])|(?<=%2F))[A-Za-z0-9_-]{43}(?![\w-])"
_HIDDEN = "***"


def redaction(key: str, *, callbacks: bool = False) -> Callable[[str], str]:
    """What replaces every secret in a text: a key ("": there is none), and ``callbacks``' secrets, if there are any."""
    known = []
    if key:
        known.append(re.escape(key) if len(key) >= LONG_KEY else rf"(?<!\w){re.escape(key)}(?!\w)")
    if callbacks:
        known.append(_UNGUESSABLE)
    return partial(re.compile("|".join([*known, _SECRETS]), re.IGNORECASE).sub, _HIDDEN)
