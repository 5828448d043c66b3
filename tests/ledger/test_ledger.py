"""The batch's memory."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf
from pathlib import Path
from threading import Barrier

import pytest

from batchgen.account.posts import AT_ONCE
from batchgen.errors import LedgerError
from batchgen.ledger import Ledger, ballast, doubt, money, recovery, standing, take_in
from batchgen.ledger.images import wanted_images
from batchgen.ledger.ledger import link_death
from batchgen.ledger.rendered import Rendered
from batchgen.ledger.schema import VERSION
from batchgen.model import Job, Row, State
from batchgen.others.reuse import Offer, take
from tests.ledger.test_intake import RULES, request


def filled(path: Path | None, rows: int = 3) -> Ledger:
    ledger = Ledger.open(path)
    take_in(ledger, (Row(n, n + 1, request(f"p{n}"), f"r{n}") for n in range(1, rows + 1)), RULES)
    return ledger


def first(ledger: Ledger) -> Job:
    job = ledger.next_pending()
    assert job is not None
    return job


def test_an_intent_is_on_the_disk_before_it_is_acted_upon(tmp_path: Path) -> None:
    with filled(tmp_path / "ledger.sqlite") as ledger:
        job = ledger.intend(first(ledger))
        with sqlite3.connect(tmp_path / "ledger.sqlite") as other:
            assert other.execute("SELECT state FROM job WHERE job = ?", (job.key,)).fetchone() == ("submitting",)
            assert other.execute("SELECT count(*) FROM attempt").fetchone() == (1,)


def test_the_space_that_is_set_aside_takes_all_answers_that_may_be_awaited(tmp_path: Path) -> None:
    path, most = tmp_path / "ledger.sqlite", AT_ONCE[-1]
    with filled(path, 10 * most) as ledger:
        jobs = [ledger.intend(first(ledger)) for _ in range(most)]
        before = Path(f"{path}-wal").stat().st_size
        for n, job in enumerate(jobs):
            ledger.settle(replace(job, state=State.IN_FLIGHT, task_id=f"task_{n:040}"), "accepted", "")
        assert 0 < Path(f"{path}-wal").stat().st_size - before < ballast.BYTES


def test_a_ledger_that_several_open_at_once_is_made_once(tmp_path: Path) -> None:
    together = Barrier(4)

    def fact(_: int) -> str | None:
        together.wait()
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            return ledger.fact("none")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fact, range(4))) == [None] * 4


def test_what_an_older_ledger_says_that_the_manifest_called_its_images_is_known() -> None:
    with Ledger.open(None) as ledger:
        ledger.remember({"pictures": '{"sha256:00": "cat.png"}'})
        assert ledger.image_names() == {"sha256:00": "cat.png"}


def test_a_job_is_claimed_once() -> None:
    with filled(None) as ledger:
        job = first(ledger)
        ledger.intend(job)
        with pytest.raises(LedgerError, match="not pending"):
            ledger.intend(job)


def test_what_was_asked_for_without_a_recorded_answer_is_in_doubt() -> None:
    with filled(None) as ledger:
        ledger.intend(first(ledger))
        recovery.recover(ledger)
        assert [result.status for result in ledger.results()] == [State.IN_DOUBT, State.PENDING, State.PENDING]
        assert [result.job.attempts for result in ledger.results()] == [1, 0, 0]  # the service may have seen it
        assert first(ledger).request.prompt == "p2"


def test_a_job_in_doubt_is_submitted_again_only_when_a_person_says_so() -> None:
    with filled(None, 1) as ledger:
        ledger.intend(first(ledger))
        recovery.recover(ledger)
        assert ledger.next_pending() is None
        assert len(doubt.resubmit_held(ledger)) == 1
        assert ledger.next_pending() is not None


def test_an_attempt_that_was_surely_not_paid_leaves_no_trace() -> None:
    with filled(None, 1) as ledger:
        job = ledger.intend(first(ledger))
        ledger.withdraw(job)
        assert ledger.database.one("SELECT count(*) FROM attempt") == (0,)
        assert first(ledger).key == job.key


def test_a_task_id_that_another_row_has_puts_the_row_in_doubt() -> None:
    with filled(None, 2) as ledger:
        for expected in (State.IN_FLIGHT, State.IN_DOUBT):
            job = ledger.intend(first(ledger))
            job = ledger.settle(replace(job, state=State.IN_FLIGHT, task_id="same"), "accepted", "")
            assert ledger.job(job.key).state is expected


def rendered(ledger: Ledger, completed_at: float, urls: tuple[str, ...] = ("https://a/v.mp4",)) -> Job:
    job = ledger.intend(first(ledger))
    return ledger.settle(
        replace(job, state=State.RENDERED, task_id=f"t{job.key}", completed_at=completed_at, urls=urls),
        "accepted",
        "",
    )


def test_the_link_that_dies_first_is_fetched_first_and_each_job_is_given_out_once() -> None:
    with filled(None) as ledger:
        for completed_at in (30.0, 10.0, 20.0):
            rendered(ledger, completed_at)
        queue = Rendered(ledger)
        taken = [queue.take(0.0) for _ in range(4)]
        assert [job and job.completed_at for job in taken] == [10.0, 20.0, 30.0, None]


def test_what_is_to_be_fetched_is_told_with_the_moment_when_the_oldest_was_made() -> None:
    with filled(None) as ledger:
        for completed_at in (30.0, 10.0, 20.0):
            rendered(ledger, completed_at)
        assert ledger.unfetched() == (3, 10.0)


def test_only_a_job_in_doubt_may_be_running_without_our_knowing() -> None:
    with filled(None) as ledger:
        for state in (State.IN_FLIGHT, State.FAILED, State.IN_DOUBT):
            job = ledger.intend(first(ledger))
            ledger.settle(replace(job, state=state), "unknown", "")
        assert [key for key, _ in ledger.doubtful_since(0.0)] == [job.key]


def test_a_resting_job_is_given_out_when_its_time_has_come() -> None:
    with filled(None, 1) as ledger:
        job, queue = rendered(ledger, 1.0), Rendered(ledger)
        queue.rest(job.key, 5.0)
        assert queue.next_waking() == 5.0
        assert queue.take(4.9) is None
        assert queue.take(5.0) is not None
        queue.rest(job.key, inf)
        assert queue.next_waking() == inf


def test_jobs_that_rest_keep_no_other_from_being_given_out_and_come_back_in_the_order_of_their_deaths() -> None:
    with filled(None, 4) as ledger:
        queue, jobs = Rendered(ledger), [rendered(ledger, completed_at) for completed_at in (1.0, 2.0, 3.0, 4.0)]
        for job, until in zip(jobs, (9.0, 7.0, inf), strict=False):
            queue.rest(job.key, until, tries=2)
        queue.rest(jobs[0].key, 8.0, tries=3)
        assert queue.take(0.0) == jobs[3]
        assert queue.take(0.0) is None
        queue.rouse(jobs[2].key)
        taken = [queue.take(8.0) for _ in range(4)]
        assert [job and (job.key, job.tries) for job in taken] == [
            (jobs[0].key, 3),
            (jobs[1].key, 2),
            (jobs[2].key, 0),
            None,
        ]


def test_a_link_that_may_be_signed_is_not_written_down() -> None:
    with filled(None) as ledger:
        plain, signed = rendered(ledger, 1.0), rendered(ledger, 2.0, ("https://a/v.mp4?sig=SECRET",))
        assert ledger.job(plain.key).urls == ("https://a/v.mp4",)
        assert ledger.job(signed.key).urls == ()
        assert "SECRET" not in "\n".join(ledger.database._connection.iterdump())


def test_failed_and_expired_rows_are_tried_again_an_expired_one_is_first_fetched() -> None:
    with filled(None, 2) as ledger:
        failed = ledger.intend(first(ledger))
        ledger.settle(replace(failed, state=State.FAILED, fail_code="400"), "refused", "")
        expired = ledger.save(replace(rendered(ledger, 1.0), state=State.EXPIRED))
        assert recovery.retry_failed(ledger) == 2
        assert ledger.job(failed.key).state is State.PENDING
        assert (ledger.job(expired.key).state, ledger.job(expired.key).remake) == (State.RENDERED, True)
        recovery.recover(ledger)  # the run ends, or another begins
        assert (ledger.job(expired.key).state, ledger.job(expired.key).remake) == (State.RENDERED, False)


def expired(ledger: Ledger, task_id: str) -> Job:
    """The first job, whose task gave a video that is out of reach."""
    job = replace(ledger.intend(first(ledger)), state=State.EXPIRED, task_id=task_id, completed_at=1.0)
    return ledger.settle(job, "accepted", "")


def test_a_row_that_was_to_be_paid_for_again_and_was_not_is_left_with_its_latest_task() -> None:
    with filled(None, 1) as ledger:
        for task_id in ("former", "latest"):
            job = expired(ledger, task_id)
            assert recovery.retry_failed(ledger) == 1
            ledger.save(replace(ledger.job(job.key), state=State.PENDING, task_id=None))  # it could not be fetched
        recovery.recover(ledger)
        assert (ledger.job(job.key).state, ledger.job(job.key).task_id) == (State.EXPIRED, "latest")


def test_an_old_expired_video_is_looked_for_anew_where_another_batch_may_have_its_files() -> None:
    with filled(None, 2) as ledger:
        own = expired(ledger, "own")
        reused = first(ledger)
        take(ledger, [Offer(reused.key, "elsewhere", "theirs", 1.0, '[["/elsewhere/1.mp4", 1, "00"]]')])
        ledger.save(replace(ledger.job(reused.key), state=State.EXPIRED))
        recovery.retry_expired(ledger, since=2.0)
        assert [ledger.job(job.key).state for job in (own, reused)] == [State.EXPIRED, State.RENDERED]


def test_an_image_is_wanted_for_a_job_that_may_be_asked_for_again_if_its_video_cannot_be_fetched() -> None:
    image = "https://pics.example/cat.png"
    with Ledger.open(None) as ledger:
        take_in(ledger, [Row(1, 2, request("a", image_urls=(image,)), "r1")], RULES)
        expired(ledger, "task")
        assert list(wanted_images(ledger, State.PENDING)) == []
        recovery.retry_failed(ledger)
        assert list(wanted_images(ledger, State.PENDING)) == [image]


def test_until_when_expired_videos_are_tried_anew_is_told_by_the_oldest_whose_link_should_live() -> None:
    with filled(None) as ledger:
        now = time.time()
        for days in (1, 2, 20):
            ledger.save(replace(rendered(ledger, now - days * 86_400), state=State.EXPIRED))
        assert standing.told(ledger)["expired_until"] == link_death(now - 2 * 86_400)


def test_an_expired_row_that_left_the_sheet_is_not_tried_again() -> None:
    with filled(None, 2) as ledger:
        job = expired(ledger, "gone")
        take_in(ledger, [Row(1, 2, request("p2"), "r2")], RULES)
        assert recovery.retry_failed(ledger) == 0
        assert ledger.job(job.key).state is State.EXPIRED


def test_what_was_perhaps_paid_is_the_price_of_lost_answers_and_not_of_former_tasks() -> None:
    with filled(None, 1) as ledger:
        job = replace(ledger.intend(first(ledger), price=3), state=State.FAILED, task_id="former")
        ledger.settle(job, "accepted", "")
        recovery.retry_failed(ledger)
        ledger.settle(replace(ledger.intend(first(ledger), price=5), state=State.FAILED), "refused", "", paid=False)
        recovery.retry_failed(ledger)
        ledger.settle(replace(ledger.intend(first(ledger), price=7), state=State.IN_DOUBT), "unknown", "")
        assert (money.paid_price(ledger), money.doubtful_price(ledger)) == (3, 7)
        assert [row.cost for row in ledger.results()] == [3]
        assert (money.spent_at_most(ledger), money.unanswered_at_most(ledger)) == (10, 7)
        doubt.resubmit(ledger, *(each.job for each in doubt.doubts(ledger)))
        ledger.settle(replace(ledger.intend(first(ledger)), state=State.IN_FLIGHT, task_id="latest"), "accepted", "")
        assert money.doubtful_price(ledger) == 0


def test_what_is_tried_once_more_may_cost_its_price_and_a_video_of_another_batch_nothing() -> None:
    with filled(None, 3) as ledger:
        expired(ledger, "own")
        recovery.retry_failed(ledger)
        rendered(ledger, 1.0)
        take(ledger, [Offer(first(ledger).key, "elsewhere", "theirs", 1.0, "[]")])
        assert money.remake_price(ledger, lambda _: 5) == 5


def test_a_ledger_of_a_newer_batchgen_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    filled(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(LedgerError, match="another batchgen"):
        Ledger.open(path)


def test_a_file_that_is_no_ledger_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database, but long enough to be looked at" * 100)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"ledger\.sqlite"):
        Ledger.open(path)
    assert path.read_bytes() == before
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE theirs (x)")
    with pytest.raises(LedgerError, match="other program"):
        Ledger.open(other)


def test_a_full_disk_is_told_in_a_sentence_and_nothing_is_half_written() -> None:
    with filled(None) as ledger:
        pages = ledger.database.one("PRAGMA page_count")
        assert pages is not None
        ledger.database.execute(f"PRAGMA max_page_count = {pages[0]}")
        with pytest.raises(LedgerError, match="cannot be written"):
            ledger.remember({"big": "x" * 1_000_000})
        assert ledger.fact("big") is None
        ledger.intend(first(ledger))


def test_a_copy_can_be_changed_without_changing_the_ledger() -> None:
    with filled(None) as ledger, ledger.copy() as copy:
        copy.intend(first(copy))
        assert first(ledger).state is State.PENDING
        assert first(ledger).request.prompt == "p1"
