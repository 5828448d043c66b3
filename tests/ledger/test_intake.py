"""A manifest into the ledger: a row is known by its id or its content, never by where it stands."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.ledger import Intake, Ledger, stage, standing, take_in
from batchgen.ledger.expected import repeats
from batchgen.ledger.ledger import Video
from batchgen.ledger.rendered import Rendered
from batchgen.ledger.selected import present, select
from batchgen.ledger.stage import Naming
from batchgen.model import Clip, Job, Problem, Row, State
from batchgen.problems import total
from batchgen.request import Request
from batchgen.sheet import naming

RULES = Naming(naming.content_id, naming.Template("{id}").names, naming.fold, naming.apart)
CLIP = Clip(10, "ab" * 32)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.open(None) as opened:
        yield opened


def request(prompt: str, **more: object) -> Request:
    return replace(Request("wan-2-5", "text-to-video", prompt), **more)  # type: ignore[arg-type]


def row(prompt: str, id: str | None = None, **more: object) -> Row:
    return Row(1, 2, request(prompt, **more), id)


def take(ledger: Ledger, *rows: Row | Problem) -> Intake:
    return take_in(ledger, rows, RULES)


def pay(ledger: Ledger) -> list[str]:
    """Make every video that is pending; returns the prompts of what was paid for."""
    paid = []
    while job := ledger.next_pending():
        paid.append(job.request.prompt)
        make(ledger, job)
    return paid


numbers = count()


def make(ledger: Ledger, job: Job) -> None:
    job = ledger.intend(job)
    job = ledger.settle(replace(job, state=State.IN_FLIGHT, task_id=f"t{next(numbers)}", attempts=1), "accepted", "")
    videos = [Video(key, 0, name, CLIP) for key, name in ledger.missing_videos(job, 0)]
    ledger.archive(replace(job, state=State.ARCHIVED), videos)


def test_rows_are_paid_for_in_the_order_of_the_manifest(ledger: Ledger) -> None:
    take(ledger, row("c"), row("a"), row("b"))
    assert pay(ledger) == ["c", "a", "b"]


def test_an_unchanged_manifest_pays_for_nothing_again(ledger: Ledger) -> None:
    rows = [row("a"), row("a"), row("b", "x"), row("c", seed=7)]
    take(ledger, *rows)
    pay(ledger)
    assert take(ledger, *rows) == Intake((), rows=4)
    assert pay(ledger) == []


ROWS = st.lists(
    st.builds(
        lambda prompt, identity, seed: row(prompt, identity, seed=seed),
        st.sampled_from("abc"),
        st.none() | st.sampled_from("xyz"),
        st.none() | st.integers(0, 1),
    ),
    max_size=8,
    unique_by=lambda row: row.id or object(),
)


@settings(max_examples=200)
@given(rows=ROWS, data=st.data())
def test_sorting_deleting_and_inserting_rows_pays_only_for_what_is_new(rows: list[Row], data: st.DataObject) -> None:
    with Ledger.open(None) as ledger:
        take(ledger, *rows)
        pay(ledger)
        kept = data.draw(st.permutations(rows))[: data.draw(st.integers(0, len(rows)))]
        new = row("new", "new")
        place = data.draw(st.integers(0, len(kept)))
        take(ledger, *kept[:place], new, *kept[place:])
        assert pay(ledger) == ["new"]
        take(ledger, *rows)
        assert pay(ledger) == []


def test_as_many_equal_rows_without_a_seed_are_as_many_videos(ledger: Ledger) -> None:
    take(ledger, row("a"), row("a"), row("a"))
    assert pay(ledger) == ["a", "a", "a"]
    assert len({result.id for result in ledger.results()}) == 3


def test_rows_with_the_same_request_and_seed_are_paid_for_once_and_archived_each(ledger: Ledger) -> None:
    take(ledger, row("a", "one", seed=1), row("a", "two", seed=1), row("a", "three", seed=2))
    assert pay(ledger) == ["a", "a"]
    assert [result.places for result in ledger.results()] == [("one.mp4",), ("two.mp4",), ("three.mp4",)]
    assert standing.reused_rows(ledger) == 1


def test_a_row_that_joins_an_archived_one_gets_its_video_without_paying(ledger: Ledger) -> None:
    take(ledger, row("a", "one", seed=1))
    pay(ledger)
    take(ledger, row("a", "one", seed=1), row("a", "two", seed=1))
    assert pay(ledger) == []
    job = Rendered(ledger).take(0.0)
    assert job is not None
    assert [name for _, name in ledger.missing_videos(job, 0)] == ["two.mp4"]


def test_several_rows_that_join_an_archived_one_at_once_get_its_video_without_paying(ledger: Ledger) -> None:
    take(ledger, row("a", "one", seed=1))
    pay(ledger)
    take(ledger, *(row("a", name, seed=1) for name in ("one", "two", "three")))
    assert pay(ledger) == []


def test_the_ledger_has_its_indexes_however_many_rows_are_new(ledger: Ledger) -> None:
    indexes = "SELECT sql FROM sqlite_schema WHERE type = 'index' ORDER BY name"
    before = ledger.database.execute(indexes).fetchall()
    take(ledger, row("a"))
    take(ledger, row("a"), row("b"), row("c"), row("d"))
    assert ledger.database.execute(indexes).fetchall() == before


def test_an_edited_row_is_a_new_job_and_its_former_video_is_kept_and_said(ledger: Ledger) -> None:
    take(ledger, row("a", "x"))
    pay(ledger)
    intake = take(ledger, row("b", "x"))
    assert (intake.new, intake.edited, intake.gone, intake.kept_videos) == (1, 1, 1, 1)
    assert pay(ledger) == ["b"]
    names = [place for result in ledger.results() for place in result.places]
    assert len(names) == 1
    assert names != ["x.mp4"]


def test_an_edit_that_is_taken_back_pays_for_nothing(ledger: Ledger) -> None:
    take(ledger, row("a", "x"))
    pay(ledger)
    take(ledger, row("b", "x"))
    take(ledger, row("a", "x"))
    assert pay(ledger) == []


def test_giving_ids_to_rows_that_had_none_and_taking_them_away_pays_for_nothing(ledger: Ledger) -> None:
    take(ledger, row("a"), row("b"))
    pay(ledger)
    take(ledger, row("a", "first"), row("b", "second"))
    assert pay(ledger) == []
    assert [result.id for result in ledger.results()] == ["first", "second"]
    take(ledger, row("b"), row("a"))
    assert pay(ledger) == []


def test_a_row_with_another_id_is_another_row_which_is_said(ledger: Ledger) -> None:
    take(ledger, row("a", "take-1"), row("a", "take-9"), row("b", "other"))
    pay(ledger)
    assert take(ledger, row("a", "take-2"), row("a", "take-3"), row("a", "take-4"), row("b", "other")).renamed == 2
    assert pay(ledger) == ["a", "a", "a"]


def test_a_row_with_a_seed_has_its_video_under_another_id_too_and_nothing_else_is_said(ledger: Ledger) -> None:
    take(ledger, row("a", "take-1", seed=7))
    pay(ledger)
    assert take(ledger, row("a", "take-2", seed=7)).renamed == 0
    assert pay(ledger) == []


def test_ids_that_a_spreadsheet_program_took_for_numbers_pay_for_nothing(ledger: Ledger) -> None:
    take(ledger, row("a", "001"), row("a", "010"), row("b", "x"), row("b"))
    pay(ledger)
    intake = take(ledger, row("a", "10"), row("a", "1.0"), row("b", "7"), row("b", "x"))
    assert (intake.renamed, intake.gone, pay(ledger)) == (0, 0, [])
    assert [result.places for result in ledger.results()] == [
        ("010.mp4",),
        ("001.mp4",),
        ("b-2dd57291600a.mp4",),
        ("x.mp4",),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("4e2", "400"),
        ("12E30", "1.2E+31"),
        ("1.20E+03", "1200"),
        ("caf\u00e9", "cafe\u0301"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_an_id_that_was_only_saved_in_another_form_pays_for_nothing(ledger: Ledger, before: str, after: str) -> None:
    take(ledger, row("a", before), row("a", "x"), row("b", "y"))
    pay(ledger)
    intake = take(ledger, row("a", "x"), row("a", after), row("b", "y"))
    assert (intake.renamed, pay(ledger)) == (0, [])


@pytest.mark.parametrize(("before", "after"), [("1.5", "1.50"), ("4e2", "4e3"), ("e2", "2")])
def test_an_id_that_says_something_else_is_another(ledger: Ledger, before: str, after: str) -> None:
    take(ledger, row("a", before))
    pay(ledger)
    assert take(ledger, row("a", after)).renamed == 1


def test_of_two_ids_that_are_the_same_number_one_has_the_video_and_the_other_is_new(ledger: Ledger) -> None:
    take(ledger, row("a", "001"))
    pay(ledger)
    take(ledger, row("a", "1"), row("a", "01"))
    assert pay(ledger) == ["a"]


def test_rows_with_an_id_and_without_one_each_have_a_video_that_was_made_without_an_id(ledger: Ledger) -> None:
    take(ledger, row("a"), row("a"), row("a"))
    pay(ledger)
    take(ledger, row("a", "x"))
    take(ledger, row("a"), row("a", "y"), row("a", "x"))
    assert pay(ledger) == []


def test_a_row_in_the_midst_of_being_paid_is_still_fetched_when_it_is_deleted(ledger: Ledger) -> None:
    take(ledger, row("a"), row("b"))
    job = ledger.next_pending()
    assert job is not None
    job = ledger.intend(job)
    ledger.settle(replace(job, state=State.IN_FLIGHT, task_id="t"), "accepted", "")
    take(ledger, row("b"))
    assert [job.task_id for job in ledger.in_flight()] == ["t"]
    assert [result.status for result in ledger.results()] == [State.PENDING]


def test_a_fatal_problem_changes_nothing_and_all_are_told(ledger: Ledger) -> None:
    take(ledger, row("a"))
    intake = take(ledger, row("b"), Problem(3, "seed", "no"), row("c", "x"), Problem(4, None, "neither"), row("d", "x"))
    assert not intake.is_usable
    assert len(intake.problems) == 3
    assert [result.job.request.prompt for result in ledger.results()] == ["a"]


def test_a_duplicate_id_is_told_with_both_lines(ledger: Ledger) -> None:
    rows = [Row(n, n + 1, request(f"p{n}"), "x") for n in (1, 2, 3)]
    (told,) = take(ledger, *rows).problems
    assert str(told) == 'lines 3-4 (2 rows), column id: the id "x" is already in line 2; give each row its own'


def test_a_duplicate_id_is_told_even_if_a_row_of_that_id_has_other_mistakes(ledger: Ledger) -> None:
    wrong = Problem(5, "seed", "no", ids=("x",))
    problems = take(ledger, Row(1, 2, request("a"), "x"), Row(2, 3, request("b"), "y"), wrong).problems
    assert [(problem.line, problem.column) for problem in problems] == [(5, "seed"), (5, "id")]
    assert take(ledger, Row(1, 2, request("a"), "x"), wrong, Problem(9, "seed", "no", ids=("z",))).problems[1].line == 5


def test_a_mistake_behind_a_thousand_questions_is_told_and_forbids_the_run(ledger: Ledger) -> None:
    questions = [Problem(n, "x", f"? {n}", fatal=False) for n in range(1, 1501)]
    intake = take(ledger, *questions, Problem(1501, "x", "no"), row("a"))
    assert not intake.is_usable
    assert total(intake.problems) == "1 error, 1500 warnings"


def test_a_question_is_passed_on_and_stops_nothing(ledger: Ledger) -> None:
    intake = take(ledger, row("a"), Problem(1, "notes", "?", fatal=False))
    assert intake.is_usable
    assert len(intake.problems) == 1


def test_names_that_differ_only_by_case_or_normal_form_are_set_apart(ledger: Ledger) -> None:
    take(ledger, row("a", "café"), row("b", "CAFE\u0301"), row("c", "Café"))
    names = [naming.fold(place) for place in all_names(ledger)]
    assert len(set(names)) == 3


def all_names(ledger: Ledger) -> list[str]:
    pay(ledger)
    return [place for result in ledger.results() for place in result.places]


def test_a_name_once_given_stays_when_the_sheet_is_sorted(ledger: Ledger) -> None:
    rows = [row("a", "x"), row("b", "X")]
    take(ledger, *rows)
    pay(ledger)
    before = {result.id: result.places for result in ledger.results()}
    take(ledger, *reversed(rows))
    assert {result.id: result.places for result in ledger.results()} == before


def test_an_edited_row_takes_its_name_over_from_its_former_self_if_nothing_was_made_for_that(ledger: Ledger) -> None:
    take(ledger, row("never asked for", "x"), row("fails", "y"), row("made", "z"), row("in flight", "w"))
    for prompt, state in (("fails", State.FAILED), ("made", None), ("in flight", State.IN_FLIGHT)):
        [job] = [each.job for each in ledger.results() if each.job.request.prompt == prompt]
        if state:
            ledger.settle(replace(ledger.intend(job), state=state, task_id=prompt), "accepted", "")
        else:
            make(ledger, job)
    take(ledger, *(row("edited", name) for name in "xyzw"))
    names = all_names(ledger)
    assert names[:2] == ["x.mp4", "y.mp4"]
    assert not {"z.mp4", "w.mp4"} & {*names}


@pytest.mark.parametrize("is_known", [False, True])
def test_a_name_that_is_set_apart_is_no_other_rows_either(ledger: Ledger, is_known: bool) -> None:
    take(ledger, row("a", "x"))
    pay(ledger)
    with ledger.copy() as copy:
        take(copy, row("edited", "x"))
        (name,) = all_names(copy)
    other = row("b", name.removesuffix(".mp4"))
    if is_known:
        take(ledger, row("a", "x"), other)
    take(ledger, row("edited", "x"), other)
    assert len({*all_names(ledger)}) == 2


def test_a_row_that_has_a_video_keeps_its_name_though_another_row_of_its_task_has_failed(ledger: Ledger) -> None:
    take(ledger, row("a", "x", seed=1))
    pay(ledger)
    take(ledger, row("a", "x", seed=1), row("a", "y", seed=1))
    job = Rendered(ledger).take(0.0)
    assert job
    ledger.save(replace(job, state=State.FAILED))
    take(ledger, row("edited", "x"))
    assert all_names(ledger) != ["x.mp4"]


def test_what_signs_an_image_link_is_never_in_the_ledger_and_still_sent(ledger: Ledger) -> None:
    link = "https://pics.example/cat.png?v=2&X-Amz-Signature=SECRET&X-Amz-Expires=60"
    take(ledger, row("a", image_urls=(link,)))
    assert "SECRET" not in "\n".join(ledger.database._connection.iterdump())
    job = ledger.next_pending()
    assert job is not None
    assert job.request.image_urls == (link,)
    assert next(ledger.results()).job.request.image_urls == ("https://pics.example/cat.png?v=2",)


@pytest.mark.parametrize("is_selecting", [False, True])
def test_a_row_waits_while_no_sheet_has_told_what_signs_its_image_link(ledger: Ledger, is_selecting: bool) -> None:
    """It would be asked for with a link that leads to nothing."""
    take(ledger, row("a", "a", image_urls=("https://pics.example/cat.png?X-Amz-Signature=SECRET",)), row("b", "b"))
    take_in(ledger, [row("b", "b")], RULES, is_partial=True)
    if is_selecting:
        select(ledger, [each.job for each in present(ledger)])
    assert pay(ledger) == ["b"]


def test_an_image_link_that_is_signed_anew_pays_for_nothing(ledger: Ledger) -> None:
    link = "https://pics.example/cat.png?X-Amz-Signature={}"
    take(ledger, row("a", image_urls=(link.format(1),)))
    pay(ledger)
    take(ledger, row("a", image_urls=(link.format(2),)))
    assert pay(ledger) == []


def test_the_manifests_further_columns_come_back_as_they_were(ledger: Ledger) -> None:
    take(ledger, replace(row("a"), extras={"scene": "=1+1", "": " x\n"}))
    assert next(ledger.results()).extras == {"scene": "=1+1", "": " x\n"}


@settings(max_examples=100)
@given(rows=ROWS)
def test_what_is_only_looked_at_has_the_same_rows(rows: list[Row]) -> None:
    everything = "SELECT * FROM row JOIN job USING (job) ORDER BY row"
    with Ledger.open(None) as kept, Ledger.open(None) as looked_at:
        assert take(kept, *rows) == take_in(looked_at, rows, RULES, to_look_at=True)
        assert kept.database.execute(everything).fetchall() == looked_at.database.execute(everything).fetchall()
        assert repeats(kept) == repeats(looked_at)


@given(rows=ROWS)
def test_rows_that_surely_do_not_repeat_do_not(rows: list[Row]) -> None:
    with Ledger.open(None) as ledger:
        intake = take(ledger, *rows)
        assert intake.may_repeat or repeats(ledger) == 0
        assert intake.may_repeat == (len({row.request for row in rows}) < len(rows))


@pytest.mark.parametrize("number", [15, 16, 17, 40])
def test_as_many_rows_as_there_are_come_in_in_their_order(ledger: Ledger, number: int) -> None:
    assert take(ledger, *(row(f"p{n}", f"r{n}") for n in range(number))) == Intake(
        (), rows=number, new=number, may_repeat=False
    )
    assert [(result.id, result.job.request.prompt) for result in ledger.results()] == [
        (f"r{n}", f"p{n}") for n in range(number)
    ]


@pytest.mark.parametrize("at_once", [1, 2, 1000])
def test_equal_keys_are_found_however_many_are_looked_at_at_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(stage, "_KEYS_AT_ONCE", at_once)
    problems = take(ledger, *(row(f"p{n}", f"r{n % 7}") for n in range(8))).problems
    assert [problem.message.partition(" is already")[0] for problem in problems] == ['the id "r0"']
