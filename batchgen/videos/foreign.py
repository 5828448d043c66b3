"""Videos that lie in a new batch's destination under the names of its own: its ledger may have been lost."""

from collections.abc import Iterator

from batchgen.archive import Archive
from batchgen.errors import UsageError
from batchgen.ledger import Ledger, expected, money
from batchgen.words import many

LOOKED_FOR = 20  # names, the first ones: a batch is made in its order
ENOUGH = 0.5  # of them: a few names may well be another batch's too


def refuse_foreign(ledger: Ledger, archive: Archive) -> Iterator[str]:
    """Say if a batch that asked for nothing yet finds some of what it is to make.

    Raises :class:`UsageError` if it finds much of that, and :class:`ArchiveError` if the archive does not answer.
    """
    if money.has_tasks(ledger):
        return
    names = expected.first_names(ledger, LOOKED_FOR)
    found = [name for name in names if archive.has(name)]
    if not found:
        return
    are, more = ("are", ", ...") if len(found) > 1 else ("is", "")
    sentence = (
        f"{len(found)} of the first {many(len(names), 'video')} of this batch, which has asked for none yet, {are} in "
        f"{archive} already ({found[0]}{more}): if its ledger was lost, put its folder back, or all would be paid for "
        "again; if another batch made them, choose another --to, or name these otherwise with --name"
    )
    if len(found) >= ENOUGH * len(names):
        raise UsageError(f"{sentence}. Nothing was sent")
    yield sentence
