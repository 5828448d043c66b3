"""The user's own limits: every task is reserved before it is asked for, so that no burst and no crash passes them."""

import time
from datetime import datetime, timedelta

from batchgen.catalog import MICRO
from batchgen.errors import LimitReachedError
from batchgen.ledger import Ledger, expected, money, standing
from batchgen.request import Request
from batchgen.settings import Limits
from batchgen.spending.disk_space import DiskSpace
from batchgen.words import money_words


class Spending:
    """What this run has reserved, against its limits."""

    def __init__(self, ledger: Ledger, limits: Limits, disk_space: DiskSpace | None = None) -> None:
        self._limits = limits
        self._disk_space = disk_space
        self._ledger = ledger
        self._tasks, self._spent = money.reserved_by_run(ledger)
        self._day = (0.0, 0.0)  # from midnight to midnight, Unix seconds
        self._spent_today = 0

    @property
    def has_limits(self) -> bool:
        """Whether the user set any."""
        return not self._limits.are_none

    def price(self, request: Request) -> int:
        """What a task costs at most, in millionths of a dollar."""
        return self._limits.prices.of(request)

    def reserve(self, request: Request, files: int = 1) -> int:
        """Reserve one task, whose video is kept in so many files; returns its price.

        Raises :class:`LimitReachedError` when a limit would be passed, :class:`ArchiveError` when the disk is too full.
        """
        if self._disk_space:
            self._disk_space.reserve(request, files)
        price = self.price(request)
        self._turn_day()
        limits = self._limits
        if limits.max_tasks is not None and self._tasks >= limits.max_tasks:
            raise LimitReachedError(f"--max-tasks {limits.max_tasks} is reached")
        _check("--budget", limits.budget, self._spent, "", request, price)
        _check("--budget-per-day", limits.budget_per_day, self._spent_today, " today", request, price)
        self._tasks += 1
        self._spent += price
        self._spent_today += price
        return price

    def affordable(self, tasks: int) -> int:
        """How many of so many more tasks the limits allow, if they cost what this run's did; all, if it had none."""
        self._turn_day()
        limits, mean = self._limits, self._spent / self._tasks if self._tasks else 0.0
        most = [float(tasks)]
        if limits.max_tasks is not None:
            most.append(limits.max_tasks - self._tasks)
        for budget, spent in ((limits.budget, self._spent), (limits.budget_per_day, self._spent_today)):
            if budget is not None and mean:
                most.append((budget * MICRO - spent) // mean)
        return max(0, int(min(most)))

    def give_back(self, request: Request) -> None:
        """A reserved task was surely not paid."""
        self._tasks -= 1
        self._spent -= self.price(request)
        self._day = (0.0, 0.0)  # it may have been reserved yesterday: the ledger knows what is of today

    def _turn_day(self) -> None:
        now = time.time()
        if self._limits.budget_per_day is not None and not self._day[0] <= now < self._day[1]:
            self._day = _midnight(now, 0), _midnight(now, 1)
            self._spent_today = money.reserved_since(self._ledger, self._day[0])


def within_limits(ledger: Ledger, limits: Limits) -> tuple[int, str | None]:
    """How many of the pending tasks a run may ask for, and what it says when a limit allows no more.

    ``ledger`` is a copy: the run begins in it.
    """
    if limits.are_none:  # a million requests need not be looked at
        return standing.pending_jobs(ledger), None
    money.begin_run(ledger)
    spending = Spending(ledger, limits)
    tasks = 0
    try:
        for request in expected.pending_requests(ledger):
            spending.reserve(request)
            tasks += 1
    except LimitReachedError as error:
        return tasks, str(error)
    return tasks, None


def _check(flag: str, budget: float | None, spent: int, when: str, request: Request, price: int) -> None:
    """Raise :class:`LimitReachedError` if a task of this price would pass the budget; ``spent`` is counted already."""
    if budget is None or spent + price <= round(budget * MICRO):
        return
    cost = f"the next task may cost {money_words(price / MICRO)}"
    if price > round(budget * MICRO):  # no next run could go on either
        is_open = None in (request.resolution, request.duration)
        dearest = " (at the dearest, as it leaves resolution or duration open)" if is_open else ""
        raise LimitReachedError(f"{cost}{dearest}, and {flag} {budget:.15g} is less than that: raise it, and run again")
    raise LimitReachedError(
        f"{flag} {budget:.15g} is reached: {money_words(spent / MICRO)} is spent or reserved{when}, and {cost}"
    )


def _midnight(now: float, days: int) -> float:
    """When the local day of ``now``, or one that many days later, begins; Unix seconds."""
    day = datetime.fromtimestamp(now).astimezone().replace(tzinfo=None) + timedelta(days=days)
    return day.replace(hour=0, minute=0, second=0, microsecond=0).astimezone().timestamp()
