"""Which images the service takes (the API's document, "Image formats"), known by their first bytes. Pure."""

BEGINNING_BYTES = 16
MOST_BYTES = 10_000_000
TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def check(beginning: bytes, size: int) -> str:
    """The format, as a suffix, of an image that begins so and has ``size`` bytes.

    Raises ValueError, with what is wrong, for one that is not taken.
    """
    if beginning.startswith(b"\xff\xd8\xff"):
        form = "jpg"
    elif beginning.startswith(b"\x89PNG\r\n\x1a\n"):
        form = "png"
    elif beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        form = "webp"
    else:
        raise ValueError("is not a JPG, PNG or WebP, whatever its name; the service takes nothing else")
    if size > MOST_BYTES:
        raise ValueError(f"has {size / 1e6:.1f} MB; the service takes 10 MB at most")
    return form
