"""The queue of due times: which task in flight is asked about next, and when.

A free request goes where it is expected to find most: to the task that has been over for longest, on average, by what
is known of generation times (see :meth:`Durations.idle`). Many times in a generation time the free requests of the next
moment are dealt out like that, as far as each finds enough to be worth its while.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from math import inf

from batchgen.account.account import BURST
from batchgen.dispatch.kinds import Ages, Asked, Kind
from batchgen.model import Job, State
from batchgen.service.durations import ENOUGH, Durations
from batchgen.service.polling import Polling

WORTH = 2e-4  # of a generation time: the slot time that a question has to find on average (12 ms at a minute)
# The same when nothing waits for the slot, for each task that runs still: any may be the last, which ends the batch.
TAIL_WORTH = 1e-4
FIRST_SHARE = 0.35  # of either, for the first question about a task: it may tell that the service has become faster
LEAST_POLL_SHARE = 0.5  # of the requests, however many submits there are: each follows upon a poll
SUBMITS_MEMORY_SECONDS = 2.0
ANSWERS_MEMORY = 16  # over which the time that they take is averaged
SHORTEST_GAP = 0.004  # of a generation time, between two questions about one task: 0.2 % is lost on average
SHORTEST_GAP_SECONDS = 0.25  # and this does for slow tasks: four questions a second are enough for anybody
PLAN_EVERY = 0.004  # of a generation time
PLAN_RANGE_SECONDS = (0.05, 0.25)
TOGETHER = BURST  # questions: to wake a machine at rest costs more than to ask
LEARN_EVERY = 0.05  # of a generation time; and as often as the slowest plans do for those that take long
AGAIN = 0.2  # of the document's interval: when to ask again after a failure, or when a callback came too early
HASTEN_GAP_SECONDS = 5.0  # a callback may be repeated, or forged
NET_FACTOR = 6  # times the document's first wait: when a callback is missed, while nothing is known
KNOWN_NET_FACTORS = (4, 1.5)  # times the first wait, or the latest end known and the first wait, whichever is later
NEVER = (inf, 0)  # and no task
MISSES = 3  # callbacks in a row that did not come: from then on tasks are asked about as if there were none


class Schedule:
    """The tasks in flight and when each is due."""

    def __init__(self, polling: Polling, *, callbacks: bool = False) -> None:
        self._polling = polling
        self._callbacks = callbacks
        self._missed = 0  # callbacks in a row
        self._tasks: dict[int, Asked] = {}
        self._kinds: dict[Durations, Kind] = {}  # the same
        # When, and which; an entry whose time is not the task's is void.
        self._fixed: list[tuple[float, int]] = []  # heap
        self._dealt: deque[tuple[float, int]] = deque()  # by the last plan, in order
        self._planned = -inf
        self._learned = -inf
        self._mean = inf  # generation time of the tasks in flight
        self._gap = PLAN_RANGE_SECONDS[1]
        self._added = 0
        self._submits = 0.0  # a second
        self._allowance = 0.0
        self._answer_seconds = 0.0  # from a question to its answer, on average

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, key: int) -> bool:
        return key in self._tasks

    # -- what is due

    def next_due(self) -> float:
        """When the next task is due, as planned so far; ``inf``: none is."""
        return self._first()[0]

    def _first(self) -> tuple[float, int]:
        fixed, dealt = self._fixed, self._dealt
        while fixed and self._is_void(*fixed[0]):
            heapq.heappop(fixed)
        while dealt and self._is_void(*dealt[0]):
            dealt.popleft()
        return min(fixed[0] if fixed else NEVER, dealt[0] if dealt else NEVER)

    def _is_void(self, due: float, key: int) -> bool:
        task = self._tasks.get(key)
        return task is None or task.due != due

    def take(self, now: float) -> Job | None:
        """The task that has been due longest, to be asked about; then comes one of the four below."""
        due, key = self._first()
        if due > now:
            return None
        task = self._tasks[key]
        task.due, task.is_fixed, task.is_asked = inf, False, True
        kind = self._kinds[task.table]
        kind.unasked.pop(key, None)
        kind.asked[key] = task
        return task.job

    def _fix(self, task: Asked, due: float) -> None:
        task.due, task.is_fixed = due, True
        heapq.heappush(self._fixed, (due, task.job.key))

    # -- what is known

    def running(self, now: float) -> Ages:
        """The ages of the tasks in flight."""
        kinds = self._kinds.items()
        return {table: [now - task.born for task in kind] for table, kind in kinds if kind}

    def over(self, now: float) -> float:
        """How many of the tasks in flight are expected to have ended, though nobody has asked since."""
        if self._awaits_callbacks:
            return 0.0
        kinds = self._kinds.items()
        return sum(table.share_over(task.place, now - task.born) for table, kind in kinds for task in kind)

    def add(self, job: Job, now: float, age: float) -> None:
        """A task is in flight, submitted ``age`` ago."""
        is_own = age == 0.0
        self._added += is_own  # the others were no request of this run
        table = self._polling.durations(job.request)
        task = Asked(job, table, now - age, place=table.place(0.0), is_own=is_own)
        self._tasks[job.key] = self._kinds.setdefault(table, Kind()).unasked[job.key] = task
        if self._awaits_callbacks:
            self._fix(task, max(now, task.born + self._net(task)))

    def took(self, seconds: float) -> None:
        """A question was answered, after that long."""
        self._answer_seconds += (seconds - self._answer_seconds) / ANSWERS_MEMORY

    def heard(self, job: Job, now: float) -> None:
        """The task runs still."""
        task = self._tasks[job.key]
        age = now - task.born
        if task.is_own:
            task.table.running(task.known, age)
        task.job, task.known, task.place, task.is_asked = job, age, task.table.place(age), False
        if task.again:
            task.again = False
            self._fix(task, now + AGAIN * self._polling.every)
        elif self._awaits_callbacks:
            early = now - task.hastened < HASTEN_GAP_SECONDS
            self._fix(task, now + AGAIN * self._polling.every if early else task.born + self._net(task))

    def unheard(self, job: Job, due: float) -> None:
        """Nothing was learned of it; it is asked about again at ``due``."""
        task = self._tasks[job.key]
        task.job, task.is_asked = job, False
        self._fix(task, due)

    def leave(self, job: Job) -> None:
        """The task is not asked about any more in this run."""
        self._forget(job)

    def end(self, job: Job, now: float) -> None:
        """The task has ended."""
        task = self._forget(job)
        if task is None or job.state in (State.PENDING, State.IN_DOUBT):  # withdrawn or forgotten by the service
            return
        reported = job.generation_ms / 1000 if job.generation_ms else None
        if task.is_own:
            task.table.ended(task.known, now - task.born, reported)
        elif reported is not None:  # how old it is goes by the clock of the day, which may have been set meanwhile
            task.table.ended(0.0, reported, reported)
        if self._callbacks:
            self._count_callback(came=task.hastened > -inf)

    def _forget(self, job: Job) -> Asked | None:
        task = self._tasks.pop(job.key, None)
        if task:
            kind = self._kinds[task.table]
            kind.unasked.pop(job.key, None)
            kind.asked.pop(job.key, None)
        return task

    # -- callbacks

    @property
    def _awaits_callbacks(self) -> bool:
        return self._callbacks and self._missed < MISSES

    def hasten(self, key: int, now: float) -> bool:
        """A callback came: ask now. Returns whether it is to be believed: it is not when one came just before."""
        task = self._tasks.get(key)
        if task is None or now - task.hastened < HASTEN_GAP_SECONDS:
            return False
        task.hastened = now
        task.again = task.is_asked
        if not task.is_asked:
            self._fix(task, 0.0)
        return True

    def _count_callback(self, *, came: bool) -> None:
        self._missed = 0 if came else self._missed + 1
        if self._missed == MISSES:
            for task in self._tasks.values():
                if task.due > 0:
                    task.due, task.is_fixed = inf, False

    def _net(self, task: Asked) -> float:
        """The age at which a task is asked about though no callback came."""
        if task.known > 0:
            return task.known + max(self._polling.first, task.known / 4)
        latest, first = task.table.latest(), self._polling.first
        if not latest:
            return NET_FACTOR * first
        return max(KNOWN_NET_FACTORS[0] * first, KNOWN_NET_FACTORS[1] * latest + first)

    # -- when

    def next_plan(self) -> float:
        """When requests are dealt out next; ``inf``: not before something happens."""
        return self._planned + self._gap if self._tasks and not self._awaits_callbacks else inf

    def plan(self, now: float, per_second: float, *, is_submitting: bool) -> None:
        """Deal out the requests until the next plan, if it is time.

        ``per_second`` is how many requests may be sent, submits among them.
        """
        if now < self.next_plan():
            return
        self._count_submits(now)
        if now >= self._learned + min(LEARN_EVERY * self._mean, PLAN_RANGE_SECONDS[1]):
            self._learned = now
            self._polling.refresh()
        share = self._polling.spare_share
        if is_submitting:
            self._deal(now, share * max(per_second - self._submits, LEAST_POLL_SHARE * per_second), WORTH)
        else:
            self._deal(now, share * per_second, TAIL_WORTH * len(self._tasks))

    def _count_submits(self, now: float) -> None:
        passed = min(now - self._planned, SUBMITS_MEMORY_SECONDS)
        self._submits += (self._added / passed - self._submits) * passed / SUBMITS_MEMORY_SECONDS
        self._planned, self._added = now, 0

    def _deal(self, now: float, budget: float, worth: float) -> None:
        """Give ``budget`` questions a second to the tasks of which most is found."""
        ready: list[tuple[float, int]] = []
        means = 0.0
        told = now + self._gap / 2 + self._answer_seconds  # an age is that at which an answer tells of it
        self._take_back()
        for table, kind in self._kinds.items():
            if kind:
                least = worth if table.known >= ENOUGH else min(worth, WORTH)  # until then it is to be learned
                ready += self._ready(table, kind, told, least * table.mean)
                means += table.mean * len(kind)
        self._choose(now, budget, ready)
        low, high = PLAN_RANGE_SECONDS
        self._mean = means / len(self._tasks)
        self._gap = min(max(PLAN_EVERY * self._mean, low), high)

    def _take_back(self) -> None:
        """What the last plan dealt out and was not used is dealt out anew."""
        for _, key in self._dealt:
            task = self._tasks.get(key)
            if task and not task.is_fixed:
                task.due = inf
        self._dealt.clear()

    def _ready(self, table: Durations, kind: Kind, now: float, least: float) -> Iterator[tuple[float, int]]:
        """The tasks of one kind that it is worth to ask about, with how long they are expected to have been over."""
        gap = min(SHORTEST_GAP_SECONDS, SHORTEST_GAP * table.mean)
        first = least * FIRST_SHARE
        latest_birth = now - table.age_of_idle(first)
        old = [
            task
            for task in kind.born_until(latest_birth)
            if not (task.is_fixed or task.is_asked)
            and now - task.born - task.known >= gap
            and (task.known > 0 or task.born <= latest_birth)
        ]
        for task, seconds in zip(old, table.idle([(task.born, task.place) for task in old], now), strict=True):
            if seconds >= (least if task.known else first):
                yield seconds, task.job.key

    def _choose(self, now: float, budget: float, ready: list[tuple[float, int]]) -> None:
        self._allowance = min(self._allowance, 1.0) + budget * self._gap
        number = min(len(ready), int(self._allowance))
        self._allowance -= number
        chosen = heapq.nlargest(number, ready) if number < len(ready) else sorted(ready, reverse=True)
        for n, (_, key) in enumerate(chosen):
            due = self._tasks[key].due = now + (n - n % TOGETHER) / budget
            self._dealt.append((due, key))
