"""One job: the table {state: step}. Each step is a file of ``steps``, and records its outcome before the next.

    pending    -- intend --> submitting
    submitting -- submit --> in_flight, failed, in_doubt, or pending again
    in_flight  -- poll ----> rendered, failed, in_doubt, or in_flight still
    rendered   -- fetch ---> archived, expired, or rendered still

The intent is on the disk before the POST leaves, and in the ledger's copy where there is one. The disk has an answer
soon after.

A step tries once. It returns the job as the ledger now has it, with the seconds to ``wait`` before the next; ``inf``
leaves it to the next run. It raises only what concerns the whole batch.
"""

from collections.abc import Awaitable, Callable

from batchgen.model import Job, State
from batchgen.steps.fetch import FetchStep
from batchgen.steps.intend import IntendStep
from batchgen.steps.poll import PollStep
from batchgen.steps.submit import SubmitStep


class Pipeline:
    """The steps of a job. The first waits for nothing, and is called by itself; the others are told by the state."""

    def __init__(self, intend: IntendStep, submit: SubmitStep, poll: PollStep, fetch: FetchStep) -> None:
        self.intend = intend.intend
        self.submit_step = submit
        self._steps: dict[State, Callable[[Job], Awaitable[Job]]] = {
            State.SUBMITTING: submit.submit,
            State.IN_FLIGHT: poll.poll,
            State.RENDERED: fetch.fetch,
        }

    async def step(self, job: Job) -> Job:
        """Do the next step of a job that has one."""
        return await self._steps[job.state](job)
