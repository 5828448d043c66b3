"""Text without what nobody but the service may read: the key, callbacks' addresses, what signs a link."""

import re

LONG_KEY = 8  # characters, from which a key stands in no other word by chance
_SECRETS = r"Bearer\s+\S+|(?<=\?)[^\s\"'<>]+"
_HIDDEN = "***"


class Redaction:
    """Hides a key, and the tokens behind ``callback_url``; "" or None: there is none."""

    def __init__(self, key: str, callback_url: str | None = None) -> None:
        known = []
        if key:
            known.append(re.escape(key) if len(key) >= LONG_KEY else rf"(?<!\w){re.escape(key)}(?!\w)")
        if callback_url:
            known.append(rf"(?<={re.escape(callback_url.rstrip('/'))}/)[^\s\"'<>]+")
        self._secrets = re.compile("|".join([*known, _SECRETS]), re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """The text with every secret replaced."""
        return self._secrets.sub(_HIDDEN, text)
