"""The ledger against a model in plain Python: whatever comes in whatever order, nothing is given out twice."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from batchgen.errors import LedgerError, UsageError
from batchgen.ledger import Ledger, doubt, evidence, recovery, standing, take_in
from batchgen.ledger import ledger as ledger_module
from batchgen.ledger.ledger import Video, token_hash
from batchgen.ledger.rendered import Rendered
from batchgen.model import Clip, Job, Row, State
from batchgen.others import reuse
from batchgen.request import Request
from tests.ledger.test_intake import RULES, request

WINDOW = 100.0  # seconds within which the service's callback comes, if the receiver listens
CLIP = Clip(10, "ab" * 32)

Cell = tuple[str | None, str, int | None]  # id, prompt, seed
CELLS = st.tuples(
    st.sampled_from([None, None, "x", "y", "z"]), st.sampled_from("abc"), st.sampled_from([None, None, 7])
)
SHEETS = st.lists(CELLS, min_size=2, max_size=6)
LIVES = ("lost", "lost, found", "failed", "failed, again", "expired", "expired, again, remade", "forgotten", "rendered")
PICK = st.integers(0, 1000)
YES = st.booleans()
Rule = TypeVar("Rule", bound=Callable[..., Any])


def apart(cells: list[Cell]) -> list[Cell]:
    """The cells without those whose id stands before."""
    first: dict[object, Cell] = {}
    for n, cell in enumerate(cells):
        first.setdefault(cell[0] or n, cell)
    return list(first.values())


def while_some(*states: State) -> Callable[[Rule], Rule]:
    """Only while a job is so: a rule that can do nothing takes the place of one that can."""
    return precondition(lambda self: self.pick(0, *states) is not None)


class Clock:
    """What the ledger takes for the module ``time``."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now


@dataclass
class Post:
    """One attempt, as the service and the user know it."""

    token: str | None
    at: float
    task: str | None = None  # that the service accepted, whether the ledger knows or not
    bound: str | None = None  # that the ledger knows
    called: bool = False
    candidate: str | None = None
    forgotten: bool = False  # the service no longer knew the task


@dataclass(eq=False)
class Want:
    """What the ledger calls a job."""

    request: Request
    state: State = State.PENDING
    key: int = 0
    task: str | None = None
    posts: list[Post] = field(default_factory=list)
    may_be_paid: bool = False  # and nobody said that it may be paid for again
    is_abandoned: bool = False
    is_decided: bool = False  # something was decided about it, once
    remake: bool = False  # somebody said so
    has_failed: bool = False  # with a code, since it was asked for last
    is_reused: bool = False  # the video is another batch's: to pay for it here is nobody's second time
    released_at: int | None = None  # how many posts there were when a run, and no later one, was allowed one more
    completed: float = 0.0

    @property
    def is_called(self) -> bool:
        return any(post.called and (post.bound is None or post.forgotten) for post in self.posts)


@dataclass(eq=False)
class Line:
    """A row that the ledger has seen."""

    id: str
    given: bool
    want: Want
    position: int | None = None
    archived: bool = False


def _asked_for(job: Job) -> Job:
    """As the pipeline records it, whatever the answer was: nothing holds that was said of a former task."""
    return replace(job, fail_code=None, remake=False)


class LedgerMachine(RuleBasedStateMachine):
    """Drives a ledger as the pipeline, the receiver and a person do, and a model beside it."""

    @initialize(sheet=SHEETS)
    def begin(self, sheet: list[Cell]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.generation = 0
        self.ledger = Ledger.open(self.path)
        self.clock = Clock()
        self.patches = [mock.patch.object(module, "time", self.clock) for module in (doubt, evidence, ledger_module)]
        for patch in self.patches:
            patch.start()
        self.lines: list[Line] = []
        self.open: dict[int, Job] = {}  # submitting, in this process
        self.tasks: dict[str, int] = {}  # every task that the ledger was told of -> the job that has it for ever
        self.names = count(1)
        self.since = self.clock.now
        self.take_in(apart(sheet))

    @property
    def path(self) -> Path:
        return self.folder / f"ledger-{self.generation}.sqlite"

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.folder)
            for patch in self.patches:
                patch.stop()

    # -- what the model knows

    @property
    def wants(self) -> list[Want]:
        return list(dict.fromkeys(line.want for line in self.lines))

    def live(self) -> list[Line]:
        found = [line for line in self.lines if line.position is not None]
        return sorted(found, key=lambda line: line.position or 0)

    def first_pending(self) -> Want | None:
        return next((line.want for line in self.live() if line.want.state is State.PENDING), None)

    def pick(self, number: int, *states: State) -> Want | None:
        found = [want for want in self.wants if want.state in states]
        return found[number % len(found)] if found else None

    def is_wanted(self, want: Want) -> bool:
        return any(line.want is want for line in self.live())

    def new_task(self) -> str:
        return f"task-{next(self.names)}"

    # -- the manifest

    @rule(sheet=SHEETS)
    def edit_the_manifest(self, sheet: list[Cell]) -> None:
        self.take_in(apart(sheet))

    @rule(sheet=SHEETS)
    def take_in(self, sheet: list[Cell]) -> None:
        rows = [
            Row(n, n + 1, request(prompt, **({"seed": seed} if seed is not None else {})), name)
            for n, (name, prompt, seed) in enumerate(sheet, 1)
        ]
        intake = take_in(self.ledger, rows, RULES)
        given = Counter(row.id for row in rows if row.id)
        assert intake.is_usable == all(number == 1 for number in given.values())
        if intake.is_usable:
            self._expect_rows(rows)
            self._learn_keys()

    @rule(number=PICK)
    def sort_or_cut_the_manifest(self, number: int) -> None:
        """The same rows in another order, perhaps without the last."""
        cells: list[Cell] = [
            (line.id if line.given else None, line.want.request.prompt, line.want.request.seed) for line in self.live()
        ]
        place = number % (len(cells) + 1)
        self.take_in((cells[place:] + cells[:place])[: max(0, len(cells) - number % 2)])

    def _expect_rows(self, rows: list[Row]) -> None:
        repeats: Counter[str] = Counter()
        cells: list[tuple[str, Row]] = []
        for row in rows:
            request = row.request
            name = row.id or RULES.content_id(request.prompt, request.seed, request.digest)
            if row.id is None:
                repeats[row.request.digest] += 1
                name += f"-{repeats[row.request.digest]}" if repeats[row.request.digest] > 1 else ""
            cells.append((name, row))
        known = {(line.id, line.want.request.digest): line for line in self.lines}
        for line in self.lines:
            line.position = None
        placed = [known.get((name, row.request.digest)) for name, row in cells]
        for line_, position in zip(placed, count(1), strict=False):
            if line_:
                line_.position = position
        fresh: list[tuple[int, str, Row]] = []
        for position, ((name, row), old) in enumerate(zip(cells, placed, strict=True), 1):
            if old is None and not self._adopt(position, name, row):
                fresh.append((position, name, row))
        self._add(fresh)

    def _adopt(self, position: int, name: str, row: Row) -> bool:
        for line in self.lines:
            same = line.position is None and line.want.request.digest == row.request.digest
            if same and not (row.id is not None and line.given):
                if row.id is not None or line.given:  # one that never had an id keeps the name that it was given
                    line.id = name
                line.given, line.position = row.id is not None, position
                return True
        return False

    def _add(self, fresh: list[tuple[int, str, Row]]) -> None:
        for position, name, row in fresh:
            shared = [want for want in self.wants if want.request == row.request and row.request.seed is not None]
            want = shared[0] if shared else Want(row.request)
            self.lines.append(Line(name, row.id is not None, want, position))
        for line in self.lines:
            if line.want.state is State.ARCHIVED and not line.archived:
                line.want.state = State.RENDERED

    def _learn_keys(self) -> None:
        """The ledger's name of a job is learned when its row first shows, and may not change after."""
        for line, result in zip(self.live(), self.ledger.results(), strict=True):
            line.want.key = line.want.key or result.job.key
            assert line.want.key == result.job.key
        assert len({want.key for want in self.wants}) == len(self.wants)

    # -- a submit

    @rule(has_token=YES, many=st.integers(1, 3))
    @while_some(State.PENDING)
    def intend(self, has_token: bool, many: int) -> None:
        for _ in range(many):
            job, want = self.ledger.next_pending(), self.first_pending()
            assert (job and job.key) == (want and want.key)
            if job is None or want is None:
                return
            assert not want.may_be_paid, "given out though it may have been paid for"
            token = f"token-{next(self.names)}" if has_token else None
            self.open[want.key] = self.ledger.intend(job, price=1, token=token)
            want.state, want.may_be_paid = State.SUBMITTING, True
            want.posts.append(Post(token, self.clock.now))

    @rule(number=PICK)
    @while_some(State.SUBMITTING, State.IN_DOUBT, State.FAILED, State.EXPIRED)
    def nobody_takes_a_job_twice(self, number: int) -> None:
        want = self.pick(number, *(state for state in State if state is not State.PENDING))
        if want:
            with pytest.raises(LedgerError):
                self.ledger.intend(self.ledger.job(want.key))

    def _answered(self, number: int) -> tuple[Want, Job] | None:
        want = self.pick(number, State.SUBMITTING)
        return (want, self.open.pop(want.key)) if want else None

    @rule(number=PICK)
    @while_some(State.SUBMITTING)
    def accepted(self, number: int) -> None:
        if found := self._answered(number):
            want, job = found
            task = self.new_task()
            self.ledger.settle(
                replace(_asked_for(job), state=State.IN_FLIGHT, task_id=task, submitted_at=self.clock.now),
                *("accepted", ""),
            )
            want.posts[-1].task = task
            self._bind(want, task)

    def _bind(self, want: Want, task: str) -> None:
        want.state, want.task, want.remake, want.may_be_paid = State.IN_FLIGHT, task, False, True
        want.has_failed = False
        want.posts[-1].bound, want.posts[-1].candidate, want.posts[-1].forgotten = task, None, False
        assert self.tasks.setdefault(task, want.key) == want.key

    @rule(number=PICK, which=PICK)
    @while_some(State.SUBMITTING)
    @precondition(lambda self: bool(self.tasks))
    def accepted_with_the_task_of_another_row(self, number: int, which: int) -> None:
        if found := self._answered(number):
            want, job = found
            task = list(self.tasks)[which % len(self.tasks)]
            self.ledger.settle(replace(_asked_for(job), state=State.IN_FLIGHT, task_id=task), "accepted", "")
            want.state, want.task, want.remake, want.has_failed = State.IN_DOUBT, None, False, False

    @rule(number=PICK, was_accepted=YES)
    @while_some(State.SUBMITTING)
    def answer_lost(self, number: int, was_accepted: bool) -> None:
        if found := self._answered(number):
            want, job = found
            self.ledger.settle(replace(_asked_for(job), state=State.IN_DOUBT), "unknown", "no answer came")
            self._in_doubt(want, was_accepted)

    def _in_doubt(self, want: Want, was_accepted: bool) -> None:
        want.state, want.remake, want.has_failed = State.IN_DOUBT, False, False
        want.posts[-1].task = self.new_task() if was_accepted else None

    @rule(number=PICK)
    @while_some(State.SUBMITTING)
    def refused(self, number: int) -> None:
        if found := self._answered(number):
            want, job = found
            failed = replace(_asked_for(job), state=State.FAILED, fail_code="400")
            self.ledger.settle(failed, "refused", "no", paid=False)
            want.state, want.may_be_paid, want.remake, want.has_failed = State.FAILED, False, False, True

    @rule(number=PICK)
    @while_some(State.SUBMITTING)
    def surely_not_paid(self, number: int) -> None:
        if found := self._answered(number):
            want, job = found
            assert self.ledger.withdraw(job).state is State.PENDING
            want.state, want.may_be_paid = State.PENDING, False
            want.posts.pop()

    @rule(end=st.sampled_from(LIVES), has_token=YES, was_accepted=YES)
    @while_some(State.PENDING)
    def a_life(self, end: str, has_token: bool, was_accepted: bool) -> None:
        """Several steps of one job, so that what comes late in a life is met often."""
        want = self.first_pending()
        self.intend(has_token, 1)
        if want is None:
            return
        if "lost" in end:
            self.answer_lost(self._index(want), was_accepted)
            if "found" in end and was_accepted:
                self.attach(self.paid_in_doubt().index(want))
            return
        self.accepted(self._index(want))
        if "forgotten" in end:
            self.forgotten(self._index(want))
            return
        self.poll(self._index(want), "failed" if "failed" in end else "rendered")
        if "expired" in end:
            self.link_is_dead(self._index(want))
        if "again" in end:
            self.retry_failed()
        if "remade" in end and want.state is State.RENDERED:
            self.link_is_dead(self._index(want))

    def _index(self, want: Want) -> int:
        """The number by which :meth:`pick` finds it."""
        return [other for other in self.wants if other.state is want.state].index(want)

    # -- the task and its video

    @rule(number=PICK, outcome=st.sampled_from(["rendered", "rendered", "failed", "out of credits"]))
    @while_some(State.IN_FLIGHT)
    def poll(self, number: int, outcome: str) -> None:
        want = self.pick(number, State.IN_FLIGHT)
        if want is None:
            return
        job = self.ledger.job(want.key)
        assert job.task_id == want.task
        if outcome == "rendered":
            want.state, want.completed = State.RENDERED, self.clock.now + next(self.names) / 1000
            job = replace(job, state=State.RENDERED, urls=("https://a/v.mp4",), completed_at=want.completed)
        elif outcome == "failed":
            want.state, want.has_failed = State.FAILED, True
            job = replace(job, state=State.FAILED, fail_code="VIOLATION")
        else:  # the service says that nothing was made
            want.state, want.task, want.may_be_paid = State.PENDING, None, False
            job = replace(job, state=State.PENDING, task_id=None)
        self.ledger.save(job)

    @rule(number=PICK)
    @while_some(State.IN_FLIGHT)
    def forgotten(self, number: int) -> None:
        """The service answers that there is no such task, until the run's patience ends."""
        want = self.pick(number, State.IN_FLIGHT)
        assert want
        assert evidence.forgotten(self.ledger, self.ledger.job(want.key), "no such task").state is State.IN_DOUBT
        want.state = State.IN_DOUBT
        next(post for post in want.posts if post.bound == want.task).forgotten = True

    @rule(ends=YES)
    @while_some(State.RENDERED)
    def fetch(self, ends: bool) -> None:
        job = Rendered(self.ledger).take(self.clock.now)
        due = [want for want in self.wants if want.state is State.RENDERED]
        assert (job is None) == (not due)
        if job is None:
            return
        want = next(want for want in due if want.key == job.key)
        assert want.completed == min(other.completed for other in due), "not the link that dies first"
        lacking = self.ledger.missing_videos(job, 0)
        assert len(lacking) == sum(line.want is want and not line.archived for line in self.lines)
        if ends:
            videos = [Video(row, 0, name, CLIP) for row, name in lacking]
            self.ledger.archive(replace(job, state=State.ARCHIVED, remake=False, fail_code=None), videos)
            for row, _ in lacking:
                self._line_of_row(row).archived = True
            want.state, want.remake, want.has_failed = State.ARCHIVED, False, False

    def _line_of_row(self, row: int) -> Line:
        found = self.ledger.database.one("SELECT id, hex(digest) FROM row WHERE row = ?", (row,))
        assert found
        return next(n for n in self.lines if (n.id, n.want.request.digest.upper()) == found)

    @rule(number=PICK)
    @while_some(State.RENDERED)
    def link_is_dead(self, number: int) -> None:
        want = self.pick(number, State.RENDERED)
        if want is None:
            return
        job = self.ledger.job(want.key)
        assert job.remake == want.remake, "allowed to be paid for again, though nobody said so of this task"
        if job.remake:
            self.ledger.save(replace(job, state=State.PENDING, task_id=None))
            want.state, want.task = State.PENDING, None
        else:
            self.ledger.save(replace(job, state=State.EXPIRED))
            want.state = State.EXPIRED

    @rule(number=PICK)
    @while_some(State.PENDING)
    def reuse(self, number: int) -> None:
        want = self.pick(number, State.PENDING)
        if want and want.request.seed is not None:
            task = f"elsewhere-{next(self.names)}"
            want.completed = self.clock.now + next(self.names) / 1000
            reuse.take(self.ledger, [reuse.Offer(want.key, "/other", task, want.completed, "[]")])
            want.state, want.task, want.remake, want.is_reused = State.RENDERED, task, True, True

    # -- crashes

    @rule(accepted=st.lists(YES, min_size=4, max_size=4), in_a_write=YES)
    def crash(self, accepted: list[bool], in_a_write: bool) -> None:
        """Go on with the files as they are on the disk; the process that had them never closed them."""
        old, was = self.ledger, self.path
        if in_a_write:
            old.database.execute("BEGIN IMMEDIATE")
            old.database.execute("UPDATE job SET state = 'pending', task_id = NULL")
            old.database.execute("DELETE FROM attempt")
        self.generation += 1
        for suffix in ("", "-wal"):
            if Path(f"{was}{suffix}").exists():
                shutil.copy(f"{was}{suffix}", f"{self.path}{suffix}")
        self.ledger = Ledger.open(self.path)
        if in_a_write:
            old.database.execute("ROLLBACK")
        old.close()
        asked = [want for want in self.wants if want.state is State.SUBMITTING]
        recovery.recover(self.ledger)
        for n, want in enumerate(asked):
            self._in_doubt(want, accepted[n % len(accepted)])
        self._end_leave()
        self.open.clear()
        self.since = self.clock.now

    def _end_leave(self) -> None:
        """Leave to pay again lasts for a run."""
        for want in self.wants:
            if want.state is State.PENDING and want.released_at == len(want.posts):
                want.state, want.may_be_paid = State.IN_DOUBT, True
            own = [post.bound for post in want.posts if post.bound]
            if want.state is State.RENDERED and want.remake and (own or not want.is_reused):
                want.remake, want.may_be_paid = False, True
            if want.state is State.PENDING and want.remake and self.is_wanted(want) and (own or want.has_failed):
                want.state, want.task = State.FAILED if want.has_failed else State.EXPIRED, own[-1] if own else None
                want.remake = False
            want.released_at = None if want.state is State.IN_DOUBT else want.released_at

    # -- callbacks

    @rule(seconds=st.sampled_from([1.0, 40.0, WINDOW, 3 * WINDOW]))
    def time_passes_and_callbacks_come(self, seconds: float) -> None:
        """Each task's callback comes half a window after its submit, if the receiver listens then."""
        before = self.clock.now
        self.clock.now += seconds
        for want in self.wants:
            for post in want.posts:
                if (
                    post.token
                    and post.task
                    and before < post.at + WINDOW / 2 <= self.clock.now
                    and post.at >= self.since
                ):
                    self._call(want, post, post.task)
        doubt.note_listening(self.ledger, self.since, self.clock.now)

    def _call(self, want: Want, post: Post, task: str | None) -> None:
        assert post.token
        job = evidence.called(self.ledger, token_hash(post.token), task)
        assert job is not None
        assert (job.key, job.state) == (want.key, want.state)
        post.called = True
        if post.bound is None:
            post.candidate = post.candidate or task

    @rule(number=PICK, which=PICK)
    def forged_callback(self, number: int, which: int) -> None:
        """Somebody who knows the token names the task of another row, one that is none, or nothing."""
        posts = [(want, post) for want in self.wants for post in want.posts if post.token]
        assert evidence.called(self.ledger, token_hash("nobody's"), "task-1") is None
        if posts:
            tasks = [None, "task-none", *self.tasks]
            self._call(*posts[number % len(posts)], tasks[which % len(tasks)])

    @rule(knows=YES)
    @while_some(State.IN_DOUBT, State.PENDING)
    def candidates_are_verified(self, knows: bool) -> None:
        found = evidence.candidates(self.ledger)
        asked = [want for want in self.wants if want.state is State.IN_DOUBT]
        asked += [want for want in self.wants if want.state is State.PENDING and want.is_decided]
        expected = {
            (want.key, post.bound if post.forgotten else post.candidate)
            for want in asked
            for post in want.posts
            if post.candidate or post.forgotten
        }
        assert {(candidate.job.key, candidate.task_id) for candidate in found} == expected
        for candidate in found:
            if knows or not candidate.was_accepted:
                self._verify(candidate)

    def _verify(self, candidate: evidence.Candidate) -> None:
        want = next(want for want in self.wants if want.key == candidate.job.key)
        posts = [post for post in want.posts if candidate.task_id == (post.bound if post.forgotten else post.candidate)]
        post = next(post for post in posts if post.forgotten == candidate.was_accepted)
        if want.state is not candidate.job.state:  # an earlier attempt's candidate of this round was the right one
            assert evidence.bind(self.ledger, candidate, "callback") is None
            return
        if candidate.task_id == post.task:  # the service knows it, and it was made then
            bound = evidence.bind(self.ledger, candidate, "callback")
            assert bound is not None
            want.state, want.task, want.remake, want.may_be_paid = State.IN_FLIGHT, candidate.task_id, False, True
            want.has_failed = False
            post.bound, post.candidate, post.forgotten = candidate.task_id, None, False
            if post is want.posts[-1]:  # what the leave was for is known now
                want.released_at = None
            assert self.tasks.setdefault(candidate.task_id, want.key) == want.key
        elif candidate.task_id in self.tasks:  # the service knows it too, but a row has it
            assert evidence.bind(self.ledger, candidate, "callback") is None
            post.candidate = None
        else:
            evidence.reject(self.ledger, candidate, "made at another time")
            post.candidate = None

    @rule()
    @while_some(State.IN_DOUBT)
    def release(self) -> None:
        """What is released on its own was surely not paid, since the receiver listened and the rest came."""
        released = {job.key for job in doubt.release(self.ledger, WINDOW)}
        for want in self.wants:
            if want.state is State.IN_DOUBT and self.ledger.job(want.key).state is State.PENDING:
                assert want.posts[-1].task is None, "released, though the service had accepted it"
                assert not want.is_called, "released, though a callback told that the service had accepted it"
                self._allow([want])
                want.is_decided = True
                released.remove(want.key)
        assert not released

    # -- a person

    @rule(number=PICK)
    @precondition(lambda self: bool(self.paid_in_doubt()))
    def attach(self, number: int) -> None:
        found = self.paid_in_doubt()
        want = found[number % len(found)]
        task = want.posts[-1].task
        assert task
        doubt.attach(self.ledger, self.ledger.job(want.key), task)
        self._bind(want, task)
        want.is_decided = True

    def paid_in_doubt(self) -> list[Want]:
        """Those whose last attempt the service has accepted."""
        return [want for want in self.wants if want.state is State.IN_DOUBT and want.posts[-1].task]

    @rule(number=PICK, which=PICK)
    @while_some(State.IN_DOUBT)
    @precondition(lambda self: bool(self.tasks))
    def attach_the_task_of_another_row(self, number: int, which: int) -> None:
        want = self.pick(number, State.IN_DOUBT)
        assert want
        task = list(self.tasks)[which % len(self.tasks)]
        if not any(post.forgotten and post.bound == task for post in want.posts):
            with pytest.raises(UsageError):
                doubt.attach(self.ledger, self.ledger.job(want.key), task)

    @rule(number=PICK, what=st.sampled_from(["resubmit", "abandon", "resubmit all"]))
    @while_some(State.IN_DOUBT)
    def decide(self, number: int, what: str) -> None:
        want = self.pick(number, State.IN_DOUBT)
        assert want
        if what == "resubmit all":
            self.clock.now += 0.001
            said = [want for want in self.wants if want.state is State.IN_DOUBT and self.is_wanted(want)]
            said = [want for want in said if not want.is_called]  # else only who names it may pay for it again
            assert sorted(doubt.resubmit_held(self.ledger)) == sorted(want.key for want in said)
            self._allow(said)
            for each in said:
                each.is_decided, each.released_at = True, len(each.posts)
            self.clock.now += 0.001
        elif what == "resubmit":
            doubt.resubmit(self.ledger, self.ledger.job(want.key))
            self._allow([want])
            want.is_decided = True
        else:
            want.is_decided = True
            doubt.abandon(self.ledger, self.ledger.job(want.key))
            want.state, want.is_abandoned, want.remake, want.has_failed = State.FAILED, True, False, True

    @rule()
    @while_some(State.FAILED, State.EXPIRED)
    def retry_failed(self) -> None:
        failed = [each for each in self.wants if each.state is State.FAILED and self.is_wanted(each)]
        failed = [each for each in failed if not each.is_abandoned]  # only who names it may pay for it again
        expired = [want for want in self.wants if want.state is State.EXPIRED and self.is_wanted(want)]
        assert recovery.retry_failed(self.ledger) == len(failed) + len(expired)
        self._allow(failed)
        for want in failed:
            want.remake = True
        for want in expired:
            want.state, want.remake, want.may_be_paid = State.RENDERED, True, False

    @rule()
    @while_some(State.EXPIRED)
    def rescue_fetches_expired_once_more(self) -> None:
        recovery.retry_expired(self.ledger, since=0.0)
        for want in self.wants:
            if want.state is State.EXPIRED:
                want.state = State.RENDERED

    def _allow(self, wants: Iterable[Want]) -> None:
        for want in wants:
            want.state, want.task, want.may_be_paid, want.remake = State.PENDING, None, False, False

    # -- what always holds

    @invariant()
    def nothing_that_may_be_paid_is_given_out(self) -> None:
        job = self.ledger.next_pending()
        if job:
            want = next(want for want in self.wants if want.key == job.key)
            assert want.state is State.PENDING
            assert not want.may_be_paid

    @invariant()
    def each_job_is_as_the_model_has_it(self) -> None:
        for want in self.wants:
            job = self.ledger.job(want.key)
            assert (job.state, job.task_id, job.remake) == (want.state, want.task, want.remake)

    @invariant()
    def every_accepted_task_is_bound_to_one_job_for_ever(self) -> None:
        rows = self.ledger.database.execute("SELECT task_id, job FROM attempt WHERE task_id IS NOT NULL").fetchall()
        assert sorted(rows) == sorted(self.tasks.items())

    @invariant()
    def counts_are_the_models(self) -> None:
        counts = Counter(line.want.state for line in self.live())
        assert {state: number for state, number in standing.counts(self.ledger).items() if number} == counts

    @invariant()
    def each_row_stands_once_in_the_results_in_order(self) -> None:
        shown = {State.SUBMITTING: State.IN_DOUBT}
        found = [
            (result.id, result.status, result.job.task_id, bool(result.places)) for result in self.ledger.results()
        ]
        assert found == [
            (line.id, shown.get(line.want.state, line.want.state), line.want.task, line.archived)
            for line in self.live()
        ]

    @invariant()
    def an_archived_row_has_its_video(self) -> None:
        for result in self.ledger.results():
            assert result.status is not State.ARCHIVED or (result.places and result.sha256 and result.bytes)


LedgerMachine.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=30,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
test_the_ledger_does_as_the_model_whatever_comes = LedgerMachine.TestCase


# -- what the machine has found, each as one case


def begun(*ids: str) -> LedgerMachine:
    machine = LedgerMachine()
    machine.begin([(name, "a", None) for name in ids])
    return machine


def test_a_leave_to_pay_again_ends_with_the_task_that_it_led_to() -> None:
    """Or the next link that dies would be paid for without a word of a person."""
    machine = begun("x")
    machine.a_life("expired, again, remade", has_token=False, was_accepted=True)
    machine.a_life("lost, found", has_token=False, was_accepted=True)
    machine.each_job_is_as_the_model_has_it()
    machine.teardown()


def test_a_task_that_a_row_once_had_is_no_other_rows() -> None:
    machine = begun("x", "y")
    machine.a_life("failed", has_token=False, was_accepted=True)
    machine.retry_failed()
    for _ in "xy":
        machine.a_life("lost", has_token=False, was_accepted=False)
    machine.attach_the_task_of_another_row(number=1, which=0)
    machine.every_accepted_task_is_bound_to_one_job_for_ever()
    machine.teardown()


def test_a_task_that_a_row_once_had_is_not_its_later_one() -> None:
    machine = begun("x")
    machine.a_life("failed", has_token=False, was_accepted=True)
    machine.retry_failed()
    machine.a_life("lost", has_token=False, was_accepted=True)
    machine.attach_the_task_of_another_row(number=0, which=0)
    machine.each_job_is_as_the_model_has_it()
    machine.teardown()


def test_the_service_giving_a_rows_former_task_again_is_not_believed() -> None:
    machine = begun("x", "y")
    machine.a_life("failed, again", has_token=False, was_accepted=True)
    machine.a_life("rendered", has_token=False, was_accepted=True)
    machine.intend(has_token=False, many=1)
    machine.accepted_with_the_task_of_another_row(number=0, which=0)
    machine.each_job_is_as_the_model_has_it()
    machine.every_accepted_task_is_bound_to_one_job_for_ever()
    machine.teardown()


def test_a_row_without_an_id_keeps_its_name_though_another_of_its_content_was_given_one() -> None:
    machine = LedgerMachine()
    machine.begin([(None, "a", None)] * 3)
    machine.edit_the_manifest([(None, "a", None), ("x", "a", None)])
    machine.edit_the_manifest([(None, "a", None), (None, "a", None), ("x", "a", None)])
    machine.each_row_stands_once_in_the_results_in_order()
    machine.teardown()


def test_a_leave_to_pay_again_is_not_taken_back_once_the_task_that_was_lost_is_known() -> None:
    """And was refused for want of credits, say: then nothing is in doubt any more."""
    machine = begun("x")
    machine.a_life("forgotten", has_token=False, was_accepted=True)
    machine.decide(number=0, what="resubmit all")
    machine.candidates_are_verified(knows=True)
    machine.poll(number=0, outcome="out of credits")
    machine.crash(accepted=[True], in_a_write=False)
    machine.each_job_is_as_the_model_has_it()
    machine.teardown()
