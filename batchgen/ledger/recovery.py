"""What earlier runs left undone: what of it is in doubt, and what a run may try once more."""

from batchgen.ledger.ledger import NOT_RECORDED, OPEN, Ledger
from batchgen.model import ABANDONED

FOR_ONE_RUN = "--in-doubt resubmit"  # the decision on a job that lasts until the run ends
_OWN_TASK = (
    "(SELECT task_id FROM attempt WHERE attempt.job = job.job AND task_id IS NOT NULL ORDER BY attempt DESC LIMIT 1)"
)
# The condition, in SQL, on a job whose ``remake`` is a person's leave, which lasts for one run. It is none where the
# video is another batch's and this one never had a task for it: if it cannot be fetched, the row is paid for as any.
OF_ONE_RUN = f"(source IS NULL OR {_OWN_TASK} IS NOT NULL)"


def recover(ledger: Ledger) -> None:
    """Put in order what an earlier run left undone.

    A job that it asked for without recording the answer is in doubt. What a person allowed for that run alone, and was
    not made use of, is taken back: what was in doubt is so again, and so is what had failed or expired.
    """
    with ledger.database.transaction():
        _hold_again(ledger)
        _fail_again(ledger)
        ledger.database.execute(
            "UPDATE job SET state = 'in_doubt', fail_code = NULL, fail_message = ?, remake = 0, "
            f"attempts = attempts + 1 WHERE {OPEN} AND state = 'submitting'",
            (NOT_RECORDED,),
        )


def _fail_again(ledger: Ledger) -> None:
    """Take the leave of ``--retry-failed`` back: what was not asked for has failed, or expired, as before."""
    ledger.database.execute(f"UPDATE job SET remake = 0 WHERE state = 'rendered' AND remake = 1 AND {OF_ONE_RUN}")
    ledger.database.execute(
        f"UPDATE job SET state = iif(fail_code IS NULL, 'expired', 'failed'), remake = 0, task_id = {_OWN_TASK} "
        "WHERE state = 'pending' AND wanted > 0 AND remake = 1 "
        f"AND (fail_code IS NOT NULL OR {_OWN_TASK} IS NOT NULL)"
    )


def _hold_again(ledger: Ledger) -> None:
    """Take the leave of ``--in-doubt resubmit`` back: what was not asked for is in doubt as before."""
    # By keys, not by times: a clock may have been set back meanwhile.
    unused = (
        "SELECT job FROM decision WHERE detail = :how AND rowid IN (SELECT max(rowid) FROM decision GROUP BY job) "
        "AND (SELECT coalesce(outcome, 'unknown') IN ('unknown', 'missing') FROM attempt "
        "WHERE attempt.job = decision.job ORDER BY attempt DESC LIMIT 1)"
    )
    held = ledger.database.execute(
        "UPDATE job SET state = 'in_doubt', fail_message = (SELECT detail FROM attempt WHERE attempt.job = job.job "
        f"ORDER BY attempt DESC LIMIT 1) WHERE state = 'pending' AND job IN ({unused}) RETURNING job",
        {"how": FOR_ONE_RUN},
    ).fetchall()
    forgotten = ((job, FOR_ONE_RUN) for (job,) in held)
    ledger.database.execute_many("DELETE FROM decision WHERE job = ? AND detail = ?", forgotten)


def retry_failed(ledger: Ledger) -> int:
    """Let every wanted job that failed or expired be tried again, until this run ends; returns how many.

    An expired one is first fetched once more: only if that fails is it paid for again. One that was given up in
    doubt may have been paid for: it is for a person to name it.
    """
    with ledger.database.transaction():
        failed = ledger.database.execute(
            "UPDATE job SET state = 'pending', task_id = NULL, remake = 1 "
            f"WHERE {OPEN} AND state = 'failed' AND wanted > 0 AND fail_code IS NOT ?" + ledger.and_selected,
            (ABANDONED,),
        ).rowcount
        expired = ledger.database.execute(
            "UPDATE job SET state = 'rendered', remake = 1, "
            f"source = iif({OF_ONE_RUN}, source, NULL) WHERE {OPEN} AND state = 'expired' AND wanted > 0"
            + ledger.and_selected
        ).rowcount
    return failed + expired


def is_anothers(ledger: Ledger, job: int) -> bool:
    """Whether a job's video is one that another batch paid for, and no person gave leave to pay for it here."""
    return ledger.database.has(f"SELECT 1 FROM job WHERE job = ? AND NOT {OF_ONE_RUN}", (job,))


def retry_expired(ledger: Ledger, since: float) -> None:
    """Let every expired job be fetched once more, and not paid for, whose task was completed since then.

    ``since`` is in Unix seconds; 0: each of them. Files that hold the video may be back however old it is.
    """
    with ledger.database.transaction():
        ledger.database.execute(
            f"UPDATE job SET state = 'rendered' WHERE {OPEN} AND state = 'expired' "
            "AND (coalesce(completed_at, 0) >= ? OR source IS NOT NULL)",
            (since,),
        )
