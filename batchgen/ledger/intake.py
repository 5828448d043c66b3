"""A manifest into the ledger: all of it, or nothing where something fatal is in it."""

from collections.abc import Iterable
from dataclasses import dataclass

from batchgen.ledger import stage
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.merge import has_rows, merge
from batchgen.ledger.stage import Naming
from batchgen.model import Problem, Row
from batchgen.problems import Gathered
from batchgen.rows import Rows


@dataclass(frozen=True)
class Intake:
    """What a manifest brought into the ledger."""

    problems: tuple[Problem, ...]
    rows: int = 0
    new: int = 0  # rows that the ledger did not know
    edited: int = 0  # of them, rows whose id it knew with another request
    renamed: int = 0  # rows that ask, without a seed, for the same as one of those gone, under another id
    gone: int = 0  # rows that it knew and that the manifest no longer has (edited ones among them)
    back: int = 0  # rows that are as they once were, in the place of those gone
    kept_videos: int = 0  # of those gone, rows whose video is kept
    is_strange: bool = False  # the ledger has rows, and knew none of these: nothing was changed
    may_repeat: bool = True  # False: surely no two rows ask for the same

    @property
    def is_usable(self) -> bool:
        """Whether nothing fatal was found."""
        return not any(problem.fatal for problem in self.problems)


class _RefusedError(Exception):
    """Leaves the transaction, which undoes it."""


def take_in(
    ledger: Ledger,
    manifest: Iterable[Rows | Row | Problem],
    naming: Naming,
    *,
    is_partial: bool = False,
    must_be_known: bool = False,
    to_look_at: bool = False,
) -> Intake:
    """Make the ledger's rows those of the manifest, in one transaction; with a fatal problem nothing is changed.

    ``is_partial``: rows that the manifest does not have stay as they are; one of an id that is known takes the place of
    its former self, others come last. ``must_be_known``: at least one row, where the ledger has any. ``to_look_at``:
    nothing will be taken in again, so that what only speeds that up need not be made.
    """
    database = ledger.database
    problems = Gathered()
    is_strange = False
    stage.drop(database)
    database.execute("DELETE FROM temp.signed")
    try:
        with database.transaction():
            repeated = stage.fill(database, manifest, problems, naming)
            if repeated.digests:
                stage.tell_repeats_apart(database, naming)
            for problem in stage.duplicate_ids(database) if repeated.ids else ():
                problems.add(problem)
            if problems.is_fatal:
                raise _RefusedError
            may_repeat = repeated.digests or has_rows(database)
            counts = merge(database, naming, repeated, is_partial=is_partial, to_look_at=to_look_at)
            intake = Intake(problems.problems(), may_repeat=may_repeat, **counts)
            is_strange = must_be_known and intake.gone > 0 and intake.new - intake.edited == intake.rows
            if is_strange:
                raise _RefusedError
            return intake
    except _RefusedError:
        return Intake(problems.problems(), is_strange=is_strange)
    finally:
        stage.drop(database)
