"""One job, step by step, between a real ledger and archive and a service that says what it is told to."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from batchgen.account import Account
from batchgen.archive import open_archive
from batchgen.archive.places import Places
from batchgen.errors import AccountError, DeadLinkError, DownloadError, LedgerError, LimitReachedError, NoVideoError
from batchgen.ledger import Ledger, evidence, money, recovery, take_in
from batchgen.ledger.ledger import token_hash
from batchgen.ledger.rendered import Rendered
from batchgen.ledger.stage import Naming
from batchgen.model import EMULATOR, Clip, Job, Row, State
from batchgen.others.reuse import Offer, take
from batchgen.request import Request
from batchgen.service.polling import Polling
from batchgen.service.wire import Balance, Submitted, TaskStatus, TaskWord, Verdict
from batchgen.settings import Limits
from batchgen.sheet import naming
from batchgen.spending import balance
from batchgen.spending.limits import Spending
from batchgen.steps.fetch import FETCH_TRIES, FetchStep
from batchgen.steps.intend import IntendStep
from batchgen.steps.poll import PollStep, rendered
from batchgen.steps.submit import SubmitStep
from batchgen.videos.verify import Damage, forget

RULES = Naming(naming.content_id, naming.Template(None).names, naming.fold, naming.apart)
REQUEST = Request("wan-2-5", "text-to-video", "a lake", "720p", 5, seed=7)
LINKS = ("https://host.example/1", "https://host.example/2")


class Host:
    """The host of the videos: gives each link's text as a video, but for links that it is told to refuse."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.dead: set[str] = set()
        self.odd: set[str] = set()
        self.has_none = False
        self.is_gone = False
        self.asked: list[str] = []

    async def fetch(self, url: str, file: BinaryIO) -> Clip:
        self.asked.append(url)
        if self.is_gone:
            raise DownloadError("no connection to the host", unreachable=True)
        if self.has_none or url in self.dead:
            raise DeadLinkError("host.example/1: the host does not give it (HTTP 403)")
        if url in self.odd:
            raise NoVideoError("host.example/2: not a whole MP4 (text/plain): it does not begin like an MP4")
        if url in self.refuses:
            raise DownloadError("the host answered HTTP 500")
        file.seek(0)
        file.truncate()
        file.write(url.encode())
        return Clip(len(url), sha256(url.encode()).hexdigest())


class Service:
    """The service: says of every task that it has ended, if it says anything."""

    def __init__(self) -> None:
        self.is_gone = False
        self.knows = True
        self.is_at_work = False
        self.is_broken = False
        self.is_denying = False
        self.asked = 0
        self.completed_at = 1.0
        self.links: tuple[str, ...] = LINKS
        self.answer = Submitted(Verdict.ACCEPTED, task_id="task_1")

    async def submit(self, request: Request, callback_url: str | None) -> Submitted:
        return self.answer

    async def balance(self) -> Balance:
        return Balance(TaskWord.TROUBLE if self.is_gone else TaskWord.SUCCESS)

    async def status(self, task_id: str) -> TaskStatus:
        self.asked += 1
        if self.is_gone:
            return TaskStatus(TaskWord.TROUBLE, "no connection to the service could be made", is_answered=False)
        if self.is_broken:
            return TaskStatus(TaskWord.TROUBLE, "HTTP 500")
        if self.is_denying:
            return TaskStatus(TaskWord.ACCOUNT, "no such key")
        if not self.knows:
            return TaskStatus(TaskWord.MISSING, "no such task")
        if self.is_at_work:
            return TaskStatus(TaskWord.RUNNING)
        return TaskStatus(TaskWord.SUCCESS, urls=self.links, completed_at=self.completed_at)


async def durable() -> None:
    """The ledger's file is as it may be."""


class Stage:
    """A batch of rows that share one task, which has given two videos."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.ledger, self.queue, self.host, self.service = ledger, Rendered(ledger), Host(), Service()
        self.archive = open_archive(str(folder / "videos"), tag="t", scratch=folder, home=folder)
        self.archive.probe()
        self.account = Account(10_000, 10)
        service: Any = self.service
        host: Any = self.host
        self.spending = Spending(ledger, Limits())
        self.intending = IntendStep(ledger, self.account, Polling(), self.spending)
        self.submitting = SubmitStep(
            *(ledger, self.account, Polling(), service, self.spending, folder), durable=durable
        )
        places = Places(folder, connections=1)
        self.intend, self.submit = self.intending.intend, self.submitting.submit
        self.poll = PollStep(ledger, self.account, Polling(), service).poll
        self.fetch = FetchStep(ledger, self.account, service, host, self.archive, places).fetch

    def take_in(self, *ids: str) -> None:
        assert take_in(self.ledger, [Row(n, n, REQUEST, name, {}) for n, name in enumerate(ids, 1)], RULES).is_usable

    def rendered(self) -> Job:
        job = self.ledger.next_pending()
        assert job
        job = replace(self.intend(job), state=State.IN_FLIGHT, task_id="task_1", attempts=1)
        return self.ledger.save(replace(self.ledger.settle(job, "accepted", ""), state=State.RENDERED, urls=LINKS))

    def videos(self) -> Sequence[tuple[str, ...]]:
        return [row.places for row in self.ledger.results()]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        money.begin_run(ledger)
        yield Stage(tmp_path, ledger)


async def test_a_row_has_all_videos_of_its_task_or_is_not_archived(stage: Stage) -> None:
    stage.take_in("a", "b")
    stage.host.refuses = {LINKS[1]}
    job = await stage.fetch(stage.rendered())
    assert (job.state, stage.videos()) == (State.RENDERED, [(), ()])
    stage.host.refuses.clear()
    job = await stage.fetch(job)
    assert job.state is State.ARCHIVED
    assert stage.videos() == [("videos/a.mp4", "videos/a_2.mp4"), ("videos/b.mp4", "videos/b_2.mp4")]


async def test_a_service_that_gives_one_task_id_to_all_is_not_asked_for_row_after_row(stage: Stage) -> None:
    requests = [replace(REQUEST, seed=seed) for seed in range(20)]
    rows = [Row(n, n, request, f"r{n}") for n, request in enumerate(requests, 1)]
    assert take_in(stage.ledger, rows, RULES).is_usable
    states = []
    while stage.account.may_post and (job := stage.ledger.next_pending()):
        states.append((await stage.submit(stage.intend(job))).state)
    assert states == [State.IN_FLIGHT] + 5 * [State.IN_DOUBT]


BARE = Submitted(Verdict.ACCOUNT, "Forbidden", code="403", is_bare=True)


async def test_a_task_whose_callback_came_is_never_asked_for_anew_whatever_the_answer_said(stage: Stage) -> None:
    requests = [replace(REQUEST, seed=seed, prompt=f"lake {seed}") for seed in range(3)]
    rows = [Row(n, n, request, f"r{n}") for n, request in enumerate(requests, 1)]
    assert take_in(stage.ledger, rows, RULES).is_usable
    stage.intending.callbacks, stage.submitting.callback_url = True, "https://me.example"

    async def asked(answer: Submitted, *, called: bool) -> Job:
        job = stage.ledger.next_pending()
        assert job
        intended = stage.intend(job)
        assert intended.token

        async def submit(*_: object) -> Submitted:
            if called:
                evidence.called(stage.ledger, token_hash(intended.token or ""), f"task_{job.key}")
            return answer

        stage.service.submit = submit  # type: ignore[method-assign, assignment]
        return await stage.submit(intended)

    assert (await asked(Submitted(Verdict.BUSY), called=True)).state is State.IN_DOUBT
    assert (await asked(BARE, called=True)).state is State.IN_DOUBT
    with pytest.raises(AccountError):
        await asked(BARE, called=False)
    assert stage.submitting.acquit() == []
    states = [row.status for row in stage.ledger.results()]
    assert states == [State.IN_DOUBT, State.IN_DOUBT, State.PENDING]
    assert len(evidence.candidates(stage.ledger)) == 2


async def test_a_row_that_the_service_itself_refused_shows_that_the_account_is_let_through(stage: Stage) -> None:
    rows = [Row(n, n, replace(REQUEST, prompt=f"lake {n}"), f"r{n}") for n in range(1, 4)]
    assert take_in(stage.ledger, rows, RULES).is_usable
    states = []
    for answer in (BARE, Submitted(Verdict.REFUSED, "a bad prompt", code="400"), BARE):
        job = stage.ledger.next_pending()
        assert job
        stage.service.answer = answer
        states.append((await stage.submit(stage.intend(job))).state)
    assert states == [State.IN_DOUBT, State.FAILED, State.IN_DOUBT]
    assert stage.submitting.refusal is None


async def test_a_row_whose_intent_could_not_be_kept_was_not_asked_for(stage: Stage) -> None:
    async def fails() -> None:
        raise LedgerError("the store is gone")

    stage.take_in("a")
    job = stage.ledger.next_pending()
    assert job
    stage.submitting.durable = fails
    with pytest.raises(LedgerError):
        await stage.submit(stage.intend(job))
    assert stage.ledger.job(job.key).state is State.PENDING


async def test_what_is_refused_uses_up_nothing_of_what_the_run_may_spend(stage: Stage) -> None:
    stage.spending = Spending(stage.ledger, Limits(max_tasks=1, budget=0.4))
    stage.intending.spending = stage.submitting.spending = stage.spending
    rows = [Row(n, n, replace(REQUEST, seed=n), f"r{n}") for n in range(1, 4)]
    assert take_in(stage.ledger, rows, RULES).is_usable
    states = []
    for verdict in (Verdict.REFUSED, Verdict.BUSY, Verdict.ACCEPTED):
        job = stage.ledger.next_pending()
        assert job
        stage.service.answer = Submitted(verdict, "no", code="400", task_id="task_1")
        states.append((await stage.submit(stage.intend(job))).state)
    assert states == [State.FAILED, State.PENDING, State.IN_FLIGHT]
    job = stage.ledger.next_pending()
    assert job
    with pytest.raises(LimitReachedError):
        stage.intend(job)


async def test_a_task_that_fails_for_lack_of_credits_leaves_its_row_pending_and_ends_the_run(stage: Stage) -> None:
    stage.take_in("a")
    job = stage.ledger.next_pending()
    assert job
    job = await stage.submit(stage.intend(job))

    async def status(_: str) -> TaskStatus:
        return TaskStatus(TaskWord.FAILED, "top up", fail_code="INSUFFICIENT_CREDITS")

    stage.service.status = status  # type: ignore[method-assign, assignment]
    with pytest.raises(AccountError, match=r"credits are used up \(top up\)"):
        await stage.poll(job)
    pending = stage.ledger.next_pending()
    assert pending
    assert (pending.key, pending.task_id) == (job.key, None)


async def test_a_video_that_has_changed_since_it_was_archived_is_copied_for_no_other_row(
    stage: Stage, tmp_path: Path
) -> None:
    stage.take_in("a")
    await stage.fetch(stage.rendered())
    (tmp_path / "videos" / "a.mp4").write_text("something else, of another length")
    stage.take_in("a", "b")
    job = stage.queue.take(inf)
    assert job
    await stage.fetch(job)
    assert (tmp_path / "videos" / "b.mp4").read_text() == LINKS[0]


async def test_a_row_that_joins_later_is_given_copies_of_all_videos(stage: Stage) -> None:
    stage.take_in("a")
    await stage.fetch(stage.rendered())
    stage.take_in("a", "b")
    stage.host.asked.clear()
    job = stage.queue.take(inf)
    assert job
    await stage.fetch(job)
    assert stage.videos()[1] == ("videos/b.mp4", "videos/b_2.mp4")
    assert stage.host.asked == []


async def test_a_video_that_was_moved_is_copied_though_a_longer_file_has_its_former_place(
    stage: Stage, tmp_path: Path
) -> None:
    stage.take_in("a")
    await stage.fetch(stage.rendered())
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.mp4").write_text("another video, which is longer than the one that was kept here before it")
    stage.ledger.database.execute("UPDATE video SET place = 'old/a.mp4' WHERE part = 0")
    stage.take_in("a", "b")
    stage.host.asked.clear()
    job = stage.queue.take(inf)
    assert job
    assert (await stage.fetch(job)).state is State.ARCHIVED
    assert stage.host.asked == []


async def test_the_leave_to_pay_again_for_a_video_ends_when_it_comes(stage: Stage, tmp_path: Path) -> None:
    stage.take_in("a")
    await stage.fetch(replace(stage.rendered(), remake=True, completed_at=1.0))
    (tmp_path / "videos" / "a.mp4").unlink()
    forget(stage.ledger, (Damage("a", "videos/a.mp4", "missing"),))
    stage.service.knows = False
    assert await unknown(stage, 1) is State.EXPIRED


async def test_a_second_video_that_is_lost_is_fetched_again(stage: Stage, tmp_path: Path) -> None:
    stage.take_in("a")
    await stage.fetch(stage.rendered())
    (tmp_path / "videos" / "a_2.mp4").unlink()
    forget(stage.ledger, (Damage("a", "videos/a_2.mp4", "missing"),))
    job = stage.queue.take(inf)
    assert job
    assert (await stage.fetch(job)).state is State.ARCHIVED
    assert stage.videos() == [("videos/a.mp4", "videos/a_2.mp4")]
    assert (tmp_path / "videos" / "a_2.mp4").read_text() == LINKS[1]


@pytest.mark.parametrize("may_be_paid_again", [False, True])
async def test_a_row_whose_first_video_is_here_is_not_paid_for_again_where_the_second_has_no_link(
    stage: Stage, may_be_paid_again: bool
) -> None:
    stage.take_in("a", "b")
    stage.host.dead = {LINKS[1]}
    stage.service.completed_at = time.time()
    job = replace(stage.rendered(), remake=may_be_paid_again)
    for _ in range(FETCH_TRIES - 1):
        job = await stage.fetch(job)
        assert (job.state, stage.videos()) == (State.RENDERED, [(), ()])
    job = await stage.fetch(job)
    assert (job.state, stage.videos()) == (State.ARCHIVED, [("videos/a.mp4",), ("videos/b.mp4",)])
    assert (job.fail_message or "").startswith("only 1 of the task's 2 videos came: host.example/1: the host does not")
    stage.host.dead = {LINKS[0]}
    stage.take_in("a", "b", "c")
    joined = stage.queue.take(inf)
    assert joined
    assert (await stage.fetch(joined)).state is State.ARCHIVED
    assert stage.videos()[2] == ("videos/c.mp4",)


async def test_a_row_whose_first_video_is_here_does_not_wait_for_a_further_link_to_none(stage: Stage) -> None:
    stage.take_in("a")
    stage.host.odd = {*LINKS}
    job = stage.rendered()
    for tries in range(1, FETCH_TRIES + 1):
        job = await stage.fetch(job)
        assert (job.state, job.tries, stage.videos()) == (State.RENDERED, tries, [()])
    stage.host.odd = {LINKS[1]}
    job = replace(job, tries=0)
    for _ in range(FETCH_TRIES):
        assert job.state is State.RENDERED
        job = await stage.fetch(job)
    assert (job.state, stage.videos()) == (State.ARCHIVED, [("videos/a.mp4",)])
    assert (job.fail_message or "").startswith("only 1 of the task's 2 videos came: host.example/2: not a whole MP4")


@pytest.mark.parametrize("gone", ["dead", "odd"])
@pytest.mark.parametrize("may_be_paid_again", [False, True])
async def test_a_task_whose_first_link_leads_to_no_video_is_archived_with_that_of_the_second(
    stage: Stage, gone: str, may_be_paid_again: bool
) -> None:
    stage.take_in("a", "b")
    setattr(stage.host, gone, {LINKS[0]})
    stage.service.completed_at = time.time()
    job = replace(stage.rendered(), remake=may_be_paid_again)
    for _ in range(FETCH_TRIES):
        assert (job.state, stage.videos()) == (State.RENDERED, [(), ()])
        job = await stage.fetch(job)
    assert (job.state, stage.videos()) == (State.ARCHIVED, [("videos/a.mp4",), ("videos/b.mp4",)])
    assert (job.fail_message or "").startswith("only 1 of the task's 2 videos came: host.example/")


async def test_while_the_network_is_gone_no_try_of_a_download_is_counted(stage: Stage) -> None:
    stage.take_in("a")
    stage.host.is_gone = stage.service.is_gone = True
    job = await stage.fetch(stage.rendered())
    for _ in range(FETCH_TRIES):  # few enough that the account does not pause
        stage.account._troubles = 0
        job = await stage.fetch(job)
        assert (job.state, job.tries, job.wait < inf) == (State.RENDERED, 1, True)
    stage.host.is_gone = stage.service.is_gone = False
    assert (await stage.fetch(job)).state is State.ARCHIVED


async def test_to_be_told_to_wait_for_a_link_is_no_try(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(task_id: str) -> TaskStatus:
        return TaskStatus(TaskWord.BUSY)

    stage.take_in("a")
    monkeypatch.setattr(stage.service, "status", busy)
    monkeypatch.setattr(stage.account, "turn", durable)  # at once
    job = replace(stage.rendered(), urls=())
    for _ in range(FETCH_TRIES):
        job = await stage.fetch(job)
    assert (job.state, job.tries, job.wait < inf) == (State.RENDERED, 0, True)


async def test_a_task_that_the_service_fails_at_each_time_is_left_to_the_next_run(stage: Stage) -> None:
    stage.take_in("a")
    stage.service.is_broken = True
    job = replace(stage.rendered(), urls=())
    for _ in range(FETCH_TRIES):
        job = await stage.fetch(job)
    assert (job.state, job.wait) == (State.RENDERED, inf)


async def test_a_host_that_is_gone_though_the_service_is_there_is_left_to_the_next_run(stage: Stage) -> None:
    stage.take_in("a")
    stage.host.is_gone = True
    job = stage.rendered()
    for _ in range(FETCH_TRIES):
        job = await stage.fetch(job)
    assert (job.state, job.wait) == (State.RENDERED, inf)
    assert stage.service.asked == FETCH_TRIES - 1


# -- a link that is refused


async def refused(stage: Stage, *, hours: float, tries: int = FETCH_TRIES, remake: bool = False) -> list[Job]:
    """What each try brings with a link that the host refuses, of a video that was made some hours ago."""
    stage.take_in("a")
    stage.host.has_none, stage.service.completed_at = True, time.time() - hours * 3600
    job = replace(stage.rendered(), completed_at=stage.service.completed_at, remake=remake)
    stage.ledger.save(job)
    return [job := await stage.fetch(job) for _ in range(tries)]


@pytest.mark.parametrize("hours", [0.0, 26.0, -2.0])  # the service's clock may be another
async def test_a_link_that_is_refused_is_asked_for_anew_after_longer_and_longer_waits_and_then_dead(
    stage: Stage, caplog: pytest.LogCaptureFixture, hours: float
) -> None:
    *tried, last = await refused(stage, hours=hours)
    assert {job.state for job in tried} == {State.RENDERED}
    assert all(min(2**n, 60) / 2 <= job.wait <= min(2**n, 60) for n, job in enumerate(tried))
    assert sum(job.wait for job in tried) > 60, "a store may need a minute until a link works"
    assert (last.state, stage.service.asked) == (State.EXPIRED, FETCH_TRIES - 1)
    assert str(last.fail_message).startswith("host.example/1: the host does not give it (HTTP 403), ")
    assert str(last.fail_message).endswith(" after it was made")
    assert [record.getMessage() for record in caplog.records] == ["link dead"]


async def test_a_link_that_is_given_before_the_last_try_is_not_dead(stage: Stage) -> None:
    tried = await refused(stage, hours=0.0, tries=FETCH_TRIES - 1)
    stage.host.has_none = False
    assert (await stage.fetch(tried[-1])).state is State.ARCHIVED


async def test_a_link_that_is_refused_after_its_fifteen_days_is_dead_once_a_new_one_is_refused_too(
    stage: Stage,
) -> None:
    before, last = await refused(stage, hours=16 * 24, tries=2)
    assert (before.state, last.state, stage.service.asked) == (State.RENDERED, State.EXPIRED, 1)
    assert str(last.fail_message).endswith(", 16 d after it was made")


@pytest.mark.parametrize(("days", "state"), [(14, State.RENDERED), (16, State.EXPIRED)])
async def test_a_task_of_which_the_service_gives_no_link_has_expired_once_its_fifteen_days_are_over(
    stage: Stage, days: int, state: State
) -> None:
    stage.take_in("a")
    stage.service.links = ()
    job = replace(stage.rendered(), urls=(), completed_at=time.time() - days * 86400)
    assert (await stage.fetch(job)).state is state


async def test_leave_to_pay_again_is_used_once_the_link_is_dead(stage: Stage) -> None:
    *_, last = await refused(stage, hours=26, remake=True)
    assert (last.state, last.task_id) == (State.PENDING, None)


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.REFUSED, Verdict.UNKNOWN])
async def test_leave_to_pay_again_is_used_up_by_the_post_whatever_its_answer(stage: Stage, verdict: Verdict) -> None:
    stage.take_in("a")
    job = stage.ledger.next_pending()
    assert job
    stage.service.answer = Submitted(verdict, "as it may be", task_id="task_1")
    after = await stage.submit(stage.intend(stage.ledger.save(replace(job, remake=True))))
    assert after.state in (State.IN_FLIGHT, State.FAILED, State.IN_DOUBT)
    assert not stage.ledger.job(job.key).remake


@pytest.mark.parametrize("is_gone", [False, True])
async def test_a_balance_that_is_not_told_for_lack_of_an_answer_counts_as_none(stage: Stage, is_gone: bool) -> None:
    stage.take_in("a")
    stage.service.is_gone = is_gone
    said: list[str] = []
    service: Any = stage.service
    await balance.compare(service, stage.account, stage.ledger, stage.spending, said.append)
    assert said == ["to be paid for: 1 task, up to $0.40"]
    assert stage.account.is_answering is not is_gone


async def test_what_is_to_be_paid_is_said_with_the_limits_that_hold_but_not_of_the_emulator(stage: Stage) -> None:
    stage.take_in("a")
    said: list[str] = []
    service: Any = stage.service
    spending = Spending(stage.ledger, Limits(max_tasks=5))
    await balance.compare(service, stage.account, stage.ledger, spending, said.append)
    assert said == ["to be paid for: 1 task, up to $0.40, as far as the limits allow"]
    stage.ledger.remember({"service": EMULATOR})
    await balance.compare(service, stage.account, stage.ledger, spending, said.append)
    assert len(said) == 1


async def test_a_task_of_another_batch_that_this_account_does_not_know_is_paid_for_like_any_other(stage: Stage) -> None:
    stage.take_in("a")
    job = stage.ledger.next_pending()
    assert job
    take(stage.ledger, [Offer(job.key, "elsewhere", "task_9", time.time(), "[]")])
    stage.service.knows = False
    assert await unknown(stage, FETCH_TRIES - 1) is State.RENDERED  # it may be a passing trouble
    assert await unknown(stage, 1) is State.PENDING


@pytest.mark.parametrize(
    ("days", "has_leave", "state"),
    [(1, False, State.EXPIRED), (1, True, State.PENDING), (16, False, State.PENDING)],
)
async def test_a_video_of_another_batch_whose_link_is_refused_for_now_is_not_paid_for_unasked(
    stage: Stage, days: int, *, has_leave: bool, state: State
) -> None:
    stage.take_in("a")
    job = stage.ledger.next_pending()
    assert job
    stage.host.has_none, stage.service.completed_at = True, time.time() - days * 86400
    take(stage.ledger, [Offer(job.key, "elsewhere", "task_9", stage.service.completed_at, "[]")])
    if has_leave:
        stage.ledger.save(replace(stage.ledger.job(job.key), state=State.EXPIRED))
        recovery.retry_failed(stage.ledger)
    job = stage.ledger.job(job.key)
    while job.state is State.RENDERED:
        job = await stage.fetch(job)
    assert job.state is state
    recovery.retry_expired(stage.ledger, since=0.0)
    assert stage.ledger.job(job.key).state is (State.PENDING if state is State.PENDING else State.RENDERED)


async def test_a_task_of_ones_own_that_the_service_does_not_know_now_is_not_paid_for_again(stage: Stage) -> None:
    stage.take_in("a")
    stage.ledger.save(replace(stage.rendered(), urls=(), attempts=0, completed_at=time.time()))
    stage.service.knows = False
    assert await unknown(stage, FETCH_TRIES) is State.RENDERED


async def test_what_has_not_left_when_a_run_is_halted_never_leaves(stage: Stage) -> None:
    stage.take_in("a")
    job = stage.ledger.next_pending()
    assert job
    synced = asyncio.Event()

    async def durable() -> None:
        await synced.wait()

    stage.submitting.durable = durable
    leaving = asyncio.create_task(stage.submit(stage.intend(job)))
    await asyncio.sleep(0)
    stage.submitting.send_no_more()
    synced.set()
    assert (await leaving).state is State.PENDING  # and the service, which knows no submit, was not asked
    assert money.reserved_by_run(stage.ledger) == (0, 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time, by all clocks."""
    clock = SimpleNamespace(now=1_000_000.0)
    both = SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.now)
    for step in ("submit", "poll"):
        monkeypatch.setattr(f"batchgen.steps.{step}.time", both)
    monkeypatch.setattr(Account, "awake", lambda self: clock.now)
    return clock


PATIENCE_SECONDS = 3600.0  # at the document's first wait of 50 s


async def test_a_task_that_the_service_does_not_know_for_an_hour_is_in_doubt(
    stage: Stage, clock: SimpleNamespace
) -> None:
    stage.take_in("a")
    job = in_flight(stage, clock)
    stage.service.knows = False
    job = await stage.poll(job)
    clock.now += PATIENCE_SECONDS
    job = await stage.poll(job)
    assert job.state is State.IN_FLIGHT
    clock.now += 1
    job = await stage.poll(job)
    assert stage.ledger.job(job.key) == replace(job, missing_since=None, wait=0.0)
    assert (job.state, job.task_id) == (State.IN_DOUBT, "task_1")
    assert job.fail_message == "the service no longer knows the task task_1 (no such task)"


@pytest.mark.parametrize("is_at_work", [True, False])
async def test_a_task_that_the_service_knows_meanwhile_is_not_in_doubt(
    stage: Stage, clock: SimpleNamespace, is_at_work: bool
) -> None:
    stage.take_in("a")
    job = in_flight(stage, clock)
    stage.service.is_at_work, stage.service.links = is_at_work, ()
    for knows in (False, True, False, False):
        stage.service.knows = knows
        job = await stage.poll(job)
        clock.now += PATIENCE_SECONDS - 1
    assert (job.state, job.wait < inf) == (State.IN_FLIGHT, True)


async def test_silence_puts_no_task_in_doubt(stage: Stage, clock: SimpleNamespace) -> None:
    stage.take_in("a")
    job = in_flight(stage, clock)
    stage.service.knows = False
    job = await stage.poll(job)
    stage.service.is_gone = True
    clock.now += PATIENCE_SECONDS + 1
    job = await stage.poll(job)
    assert (job.state, job.wait) == (State.IN_FLIGHT, inf)  # left to the next run


async def test_a_key_that_is_refused_for_a_minute_is_refused_and_once_or_twice_by_accident(
    stage: Stage, clock: SimpleNamespace
) -> None:
    stage.take_in("a")
    account = Account(10_000, 10, lambda: clock.now)
    poll = PollStep(stage.ledger, account, Polling(), stage.service).poll  # type: ignore[arg-type]
    job = in_flight(stage, clock)
    stage.service.is_at_work = True
    for is_gone, is_denying in ((False, True), (False, False), (True, False), (False, True), (False, False)):
        stage.service.is_gone, stage.service.is_denying = is_gone, is_denying
        job = await poll(job)
        clock.now += 100.0
    stage.service.is_denying = True
    for _ in range(12):
        job = await poll(job)
        clock.now += 5.0
    with pytest.raises(AccountError, match="refuses the key: no such key"):
        await poll(job)


@pytest.mark.parametrize("hours", [23, 25])
async def test_a_task_that_runs_for_more_than_a_day_is_asked_about_once_a_run(
    stage: Stage, clock: SimpleNamespace, hours: int
) -> None:
    stage.take_in("a")
    job = replace(in_flight(stage, clock), submitted_at=clock.now - hours * 3600)
    stage.service.is_at_work = True
    polled = await stage.poll(job)
    assert (polled.state, polled.wait == inf) == (State.IN_FLIGHT, hours > 24)


def test_when_a_video_was_made_stays_known_though_a_later_answer_does_not_say_it(stage: Stage) -> None:
    stage.take_in("a")
    job = rendered(stage.rendered(), TaskStatus(TaskWord.SUCCESS, urls=LINKS, completed_at=5.0, generation_ms=7))
    job = rendered(job, TaskStatus(TaskWord.SUCCESS, urls=LINKS))
    assert (job.completed_at, job.generation_ms) == (5.0, 7)


async def test_a_task_whose_link_comes_late_is_fetched_as_often_as_any(stage: Stage, clock: SimpleNamespace) -> None:
    stage.take_in("a")
    job = in_flight(stage, clock)
    for links in ((), (), LINKS):
        stage.service.links = links
        job = await stage.poll(job)
    assert (job.state, job.tries) == (State.RENDERED, 0)


async def test_a_new_task_has_nothing_of_the_times_of_the_one_before(stage: Stage, clock: SimpleNamespace) -> None:
    stage.take_in("a")
    job = in_flight(stage, clock)
    stage.ledger.save(replace(job, state=State.PENDING, task_id=None, completed_at=5.0, generation_ms=7))
    job = in_flight(stage, clock, "task_2")
    assert (job.completed_at, job.generation_ms) == (None, None)


def in_flight(stage: Stage, clock: SimpleNamespace, task_id: str = "task_1") -> Job:
    job = stage.ledger.next_pending()
    assert job
    job = stage.submitting._accepted(stage.intend(job), Submitted(Verdict.ACCEPTED, task_id=task_id))
    return stage.ledger.job(job.key)


async def unknown(stage: Stage, tries: int) -> State:
    for _ in range(tries):
        taken = stage.queue.take(inf)
        assert taken
        job = await stage.fetch(taken)
        stage.queue.rest(job.key, 0.0, job.tries)
    return job.state
