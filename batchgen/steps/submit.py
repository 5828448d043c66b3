"""Submitting: one POST, and what its answer means for the job."""

import logging
import shlex
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path

from batchgen.account import Account
from batchgen.errors import AccountError, LedgerError
from batchgen.ledger import Ledger, evidence
from batchgen.model import Job, State
from batchgen.service.client import Client
from batchgen.service.polling import Polling
from batchgen.service.wire import Submitted, Verdict, callback_address
from batchgen.spending.limits import Spending
from batchgen.steps.answers import note_answer
from batchgen.steps.suspects import Suspects

BARE = (
    "refused with HTTP {}, in words that are not the service's, as a firewall or a load balancer does: most likely "
    "nothing was paid"
)
CALLED_ALL_THE_SAME = "no task was accepted, by the answer, and its callback came all the same"
CUT_OFF = "refused with HTTP {}, and the reason broke off each time; nothing was paid"
CUT_OFF_TRIES = 3  # of one row: the reason may be of the row or of the account

log = logging.getLogger("batchgen")


@dataclass
class SubmitStep:
    """Takes a job from submitting to in flight, if the service accepts its task."""

    ledger: Ledger
    account: Account
    polling: Polling
    client: Client
    spending: Spending
    batch: Path  # its folder
    _: KW_ONLY
    durable: Callable[[], Awaitable[None]]  # waits until what the ledger holds is wherever it is kept
    callback_url: str | None = None
    if_lost: Callable[[Callable[[], None]], None] = lambda tell: None  # calls back if that does not come to the disk
    _may_send: bool = True
    _suspects: Suspects = field(default_factory=Suspects)
    _cuts: Counter[int] = field(default_factory=Counter)  # job -> refusals whose reason broke off

    async def submit(self, job: Job) -> Job:
        """Ask for the task, once its intent is wherever the ledger is kept."""
        try:
            await self.durable()
        except BaseException:  # the POST never left
            self._withdraw(job)
            raise
        if not self._may_send:
            return self._withdraw(job)
        address = callback_address(self.callback_url, job.token) if self.callback_url and job.token else None
        outcome = await self.client.submit(job.request, address)
        if outcome.verdict is Verdict.ACCEPTED:
            return self._accepted(job, outcome)
        if outcome.verdict in (Verdict.ACCOUNT, Verdict.MISDIRECTED):
            return self._denied(job, outcome)
        note_answer(self.account, outcome.verdict, outcome.retry_after, outcome.message)
        match outcome.verdict:
            case Verdict.UNKNOWN:
                return self._doubted(job, outcome.message)
            case Verdict.REFUSED:
                self._suspects.got_through()
                return self._refused(job, outcome.code, outcome.message)
            case Verdict.NEVER_SENT if outcome.code:
                return self._cut_off(job, outcome)
        return self._withdraw(job)

    def _denied(self, job: Job, outcome: Submitted) -> Job:
        """The account, the address or the model is refused: by the service, or by who stands before it."""
        error = AccountError(_refusal(outcome))
        if outcome.is_bare and not self._suspects.is_all(job, error):
            message = BARE.format(outcome.code)
            self.account.post_trouble(f"refused with HTTP {outcome.code}", may_be_paid=True, is_lost=False)
            return self._doubted(job, message)
        note_answer(self.account, outcome.verdict, None)
        withdrawn = self._withdraw(job)
        if outcome.is_bare or outcome.is_of_credits or self._suspects.is_denied():
            raise error
        log.warning("denied, after others got through", extra={"job": job.key, "reason": str(error)})
        return withdrawn

    def _doubted(self, job: Job, message: str) -> Job:
        doubt = replace(job, state=State.IN_DOUBT, fail_code=None, fail_message=message)
        return self.ledger.settle(_asked_for(doubt), Verdict.UNKNOWN.value, message)

    def _cut_off(self, job: Job, outcome: Submitted) -> Job:
        """Refused, and the reason broke off: the next try may tell it."""
        self._cuts[job.key] += 1
        if self._cuts[job.key] < CUT_OFF_TRIES:
            return self._withdraw(job)
        return self._refused(job, outcome.code, CUT_OFF.format(outcome.code))

    def _refused(self, job: Job, code: str | None, message: str) -> Job:
        failed = replace(job, state=State.FAILED, fail_code=code, fail_message=message)
        self.spending.give_back(job.request)
        return self.ledger.settle(_asked_for(failed), Verdict.REFUSED.value, message, paid=False)

    def send_no_more(self) -> None:
        """Withdraw what is asked for from now on, and what has not left yet."""
        self._may_send = False

    @property
    def refusal(self) -> AccountError | None:
        """At a run's end: the refusal that its rows got, if none got through that would tell whether it was theirs."""
        return self._suspects.verdict

    def acquit(self) -> list[tuple[Job, Job]]:
        """All are refused: what was in doubt for it is pending again. Returns those jobs, before and after."""
        jobs = [job for job in self._suspects.acquit() if not evidence.was_called(self.ledger, job)]
        return [(replace(job, state=State.IN_DOUBT), self._withdraw(job)) for job in jobs]

    def _withdraw(self, job: Job) -> Job:
        if evidence.was_called(self.ledger, job):
            return self._doubted(job, CALLED_ALL_THE_SAME)
        self.spending.give_back(job.request)
        return self.ledger.withdraw(job)

    def _accepted(self, job: Job, outcome: Submitted) -> Job:
        job = replace(
            job,
            state=State.IN_FLIGHT,
            task_id=outcome.task_id,
            submitted_at=time.time(),
            completed_at=None,  # of a former task
            generation_ms=None,
            fail_code=None,
            fail_message=None,
            tries=0,
            wait=self.polling.wait(0.0),
        )
        job = _asked_for(job)
        log.info("accepted", extra={"job": job.key, "task_id": job.task_id})
        try:
            settled = self.ledger.settle(job, outcome.verdict.value, "")
        except LedgerError:
            self._say_unrecorded(job)
            raise
        except Exception as error:  # to go on would pay for row after row, and record none
            self._say_unrecorded(job)
            log.error("unexpected error", exc_info=error, extra={"job": job.key})
            words = (
                f"what the service accepted cannot be written down ({type(error).__name__}); run.log has the details"
            )
            raise LedgerError(words) from error
        if settled.task_id is None:  # it has been given that id before: a service that repeats it is none to go on with
            note_answer(self.account, Verdict.UNKNOWN, None, settled.fail_message)
            return settled
        note_answer(self.account, outcome.verdict, None)
        self._suspects.got_through()
        self.if_lost(lambda: self._say_unrecorded(job))
        return settled

    def _say_unrecorded(self, job: Job) -> None:
        """The job's task is paid: its id must not be lost with the ledger."""
        words = (shlex.quote(str(self.batch)), self._row(job), shlex.quote(job.task_id or ""))
        log.critical("paid and not recorded: batchgen resolve %s --row %s --attach %s", *words)

    def _row(self, job: Job) -> str:
        """A row that wants the job, as a shell's word; from a ledger that may not even be readable."""
        try:
            return shlex.quote(self.ledger.first_row(job))
        except Exception:
            return "?"


def _asked_for(job: Job) -> Job:
    """The job with one more POST behind it: what a person allowed is used up."""
    return replace(job, attempts=job.attempts + 1, remake=False)


def _refusal(outcome: Submitted) -> str:
    if outcome.verdict is Verdict.ACCOUNT:
        return f"the service refuses the account: {outcome.message} (code {outcome.code})"
    return (
        f"this is not the service, or it does not know the model: {outcome.message} (code {outcome.code}); "
        "put --base-url or --model right, and run again"
    )
