"""Which images the service takes (the API's document, "Image formats"), known by their first bytes. Pure."""

BEGINNING_BYTES = 16
MOST_BYTES = 10_000_000
TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def format_of(beginning: bytes) -> str | None:
    """The format of an image that begins so, as a suffix; None: the service does not take it."""
    if beginning.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if beginning.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    return "webp" if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP" else None


def check(beginning: bytes, size: int) -> str:
    """The format of an image of ``size`` bytes. Raises ValueError, with what is wrong, for one that is not taken."""
    form = format_of(beginning)
    if form is None:
        raise ValueError("is not a JPG, PNG or WebP, whatever its name; the service takes nothing else")
    if size > MOST_BYTES:
        raise ValueError(f"has {size / 1e6:.1f} MB; the service takes 10 MB at most")
    return form
