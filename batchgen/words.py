"""Numbers of things, as they are said to a person."""


def many(number: int | str, one: str, several: str | None = None) -> str:
    """So many of something: ``1 row``, ``2 rows``; ``several`` where an s does not do.

    The number may be written out already.
    """
    return f"{number} {one if str(number) == '1' else several or f'{one}s'}"
