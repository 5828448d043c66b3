"""Archived videos that are no longer in their places on this machine: by their names alone, nothing is read."""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from batchgen.ledger import Ledger
from batchgen.settings import to_service
from batchgen.words import MOVED, many, with_command


def missing(batch: Path, ledger: Ledger) -> list[str]:
    """The places, relative to the batch's folder, of the present manifest's videos that are no longer there.

    What a bucket holds is not asked.
    """
    names = cache(_names)  # a folder is listed once: over a network, to ask for each file takes minutes
    lost = []
    for (place,) in ledger.database.execute(
        "SELECT place FROM video JOIN row USING (row) "
        "WHERE position IS NOT NULL AND place NOT LIKE 's3://%' ORDER BY position, part"
    ):
        folder, name = os.path.split(os.path.join(batch, place))
        if name not in names(folder) and not os.path.lexists(os.path.join(folder, name)):
            lost.append(place)
    return lost


def _names(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def sentences(batch: str | Path, places: Sequence[str], service: str) -> Iterator[str]:
    """What a person should know about them, if there are any."""
    if places:
        others = ", ..." if len(places) > 1 else ""
        lost = many(len(places), "archived video is", "archived videos are")
        repair = ("verify", str(batch), "--repair", *to_service(service))
        them = "them again, while their links live" if others else "it again, while its link lives"
        what = f"{lost} no longer there ({places[0]}{others}); {MOVED}; to fetch {them}"
        yield with_command(what, *repair)
