"""The page as data, and as text: what it says of a ledger, and that nothing of a sheet becomes markup."""

import json
import os
import re
import shutil
import stat
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

from batchgen.api import Batch
from batchgen.cli import group
from batchgen.folder.lock import Lock
from batchgen.ledger import Ledger, money
from batchgen.model import State
from batchgen.outcome import write_all, write_report, write_workbook
from batchgen.report import cards, page, plots
from batchgen.report.cards import Card, beside
from batchgen.report.head import causes_of
from batchgen.report.markup import embed, fill, node, to_html, to_tree
from batchgen.report.page import Page, gather, render, write
from batchgen.report.poster import Posters
from batchgen.report.sittings import Sittings, most_at_once, per_minute
from batchgen.settings import Settings
from batchgen.words import amount, seconds_words, share, size_words
from tests.report.batches import BEGUN, HOSTILE, Wanted, failed, film, make_batch, many


def gathered(folder: Path, **options: Any) -> Page:
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        return gather(ledger, folder, beside(folder, Posters(folder / "posters")), **options)


def written(folder: Path) -> str:
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        return write(ledger, folder).read_text(encoding="utf-8")


def data_of(html: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def figures(made: Page) -> dict[str, tuple[str, str]]:
    return {figure.label: (figure.value, figure.note) for figure in made.figures}


def card(made: Page, identity: str) -> Card:
    return next(card for card in made.cards if card.id == identity)


# -- the data


def test_a_card_holds_what_the_ledger_knows_of_a_row(tmp_path: Path) -> None:
    row = Wanted("fox", seed=2**53 + 1, extras={"scene": "city"}, content=b"x" * 10)
    fox = card(gathered(make_batch(tmp_path, [row], ["scene"])), "fox")
    assert (fox.status, fox.seed, fox.extras, fox.bytes) == ("archived", "9007199254740993", ("city",), 10)
    assert (fox.submitted_at, fox.completed_at, fox.archived_at) == (BEGUN, BEGUN + 60, BEGUN + 61)
    assert (fox.generation, fox.cost, fox.task_id) == (60.0, 0.4, "task_1")
    assert fox.videos == ("videos/1.mp4",)


def test_cards_stand_in_the_order_of_the_sheet(tmp_path: Path) -> None:
    made = gathered(make_batch(tmp_path, [Wanted("b"), Wanted("a", "other"), Wanted("c", "third")]))
    assert [card.id for card in made.cards] == ["b", "a", "c"]


def test_a_video_that_is_gone_or_on_s3_has_its_place_and_no_link(tmp_path: Path) -> None:
    rows = [Wanted("gone"), Wanted("far", "far", places=("s3://bucket/far.mp4",))]
    made = gathered(make_batch(tmp_path, rows))
    assert [(card.places, card.videos) for card in made.cards] == [
        (("videos/1.mp4",), (None,)),
        (("s3://bucket/far.mp4",), (None,)),
    ]


def test_a_link_is_relative_and_encoded_whatever_the_file_is_called(tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    rows = [
        Wanted("odd", content=b"x", places=("videos/javascript:a b#?%.mp4",)),
        Wanted("out", "out", content=b"x", places=(str(elsewhere / "ü.mp4"),)),
    ]
    made = gathered(make_batch(tmp_path / "b.batch", rows))
    assert card(made, "odd").videos == ("videos/javascript%3Aa%20b%23%3F%25.mp4",)
    assert card(made, "out").videos == ("../else%20where/%C3%BC.mp4",)


def test_a_video_of_an_older_ledger_is_found_in_the_folder_that_its_place_was_in(tmp_path: Path) -> None:
    folder = make_batch(tmp_path, [Wanted("fox", places=("fox.mp4",))])
    (folder / "videos" / "fox.mp4").write_bytes(b"video")
    assert card(gathered(folder), "fox").videos == ("videos/fox.mp4",)


def test_image_links_are_shown_without_what_signs_them(tmp_path: Path) -> None:
    signed = "https://bucket.example/a.jpg?X-Amz-Signature=SIGSENTINEL&X-Amz-Expires=60"
    folder = make_batch(tmp_path, [Wanted("fox", images=(signed,))])
    assert card(gathered(folder), "fox").images == ("https://bucket.example/a.jpg",)
    assert "SIGSENTINEL" not in written(folder)


@pytest.mark.parametrize(("running", "status"), [(True, "in_flight"), (False, "in_doubt")])
def test_an_answer_that_is_awaited_is_in_doubt_only_when_no_run_awaits_it(
    tmp_path: Path, running: bool, status: str
) -> None:
    folder = make_batch(tmp_path, [Wanted("fox", state=State.SUBMITTING)])
    assert card(gathered(folder, running=running), "fox").status == status


def test_the_figures_answer_what_a_person_asks(tmp_path: Path) -> None:
    rows = [
        *many(6, content=b"x" * 1000),
        failed("bad", "bad"),
        failed("worse", "worse"),
        Wanted("open", "open", state=State.IN_FLIGHT),
        Wanted("later", "later", state=State.PENDING),
    ]
    told = figures(gathered(make_batch(tmp_path, rows), now=BEGUN + 61))
    assert told["Done"] == ("6", "of 10 rows, 60%")
    assert told["Failed"] == ("2", "2\u00a0×\u00a0SensitiveContentDetected")
    assert told["To do"] == ("2", "1 generating")
    assert told["Spent"] == ("$3.60", "9 tasks at list price")
    assert told["Time"] == ("1 min 1 s", "")
    assert told["Throughput"] == ("5.9 / min", "at most 9 at once")
    assert told["Size"] == ("6.0 kB", "1.0 kB a video")


def test_money_is_told_only_where_every_price_is_known(tmp_path: Path) -> None:
    folder = make_batch(tmp_path, [Wanted("old", price=0), Wanted("new", "new")])
    assert figures(gathered(folder))["Paid tasks"] == ("2", "price not known")
    assert card(gathered(folder), "old").cost is None


@pytest.mark.parametrize("moment", [1.77e12, 1e30, 0.0, -1e30])
def test_a_moment_that_cannot_be_in_an_older_ledger_spoils_nothing(tmp_path: Path, moment: float) -> None:
    folder = make_batch(tmp_path / "x.batch", [Wanted("fox"), Wanted("owl", "owl", state=State.RENDERED)])
    with Ledger.open(folder / "ledger.sqlite") as ledger, ledger.database.transaction():
        ledger.database.execute("UPDATE job SET completed_at = ?", (moment,))
    told = figures(gathered(folder, now=BEGUN + 61))
    assert told["Time"] == ("1 min 1 s", "")
    assert Batch(folder).status().rendered == 1


def test_a_batch_without_rows_makes_a_page(tmp_path: Path) -> None:
    assert data_of(written(make_batch(tmp_path, [])))["rows"] == []


def test_causes_are_counted_and_lead_to_their_rows() -> None:
    made = causes_of(
        [_card("failed", "B"), _card("failed", "A"), _card("failed", "A"), _card("expired"), _card("archived")]
    )
    assert [(cause.code, cause.rows, cause.find) for cause in made] == [
        ("A", 2, 'cause:"A"'),
        ("B", 1, 'cause:"B"'),
        ("link expired", 1, 'cause:"link expired"'),
    ]


def _card(status: str, code: str | None = None) -> Card:
    names = Card.__dataclass_fields__
    return Card(**(dict.fromkeys(names) | {"status": status, "fail_code": code}))  # type: ignore[arg-type]


def test_reading_holds_up_no_writer(tmp_path: Path) -> None:
    folder = make_batch(tmp_path, [Wanted("fox")])
    with (
        Ledger.open(folder / "ledger.sqlite") as ledger,
        Ledger.open(folder / "ledger.sqlite") as run,
        page._snapshot(ledger),
    ):
        before = ledger.fact("name")
        run.remember({"name": "written meanwhile"})
        assert ledger.fact("name") == before is None


def test_a_page_made_while_a_run_is_at_work_awaits_what_that_run_awaits(tmp_path: Path) -> None:
    folder = make_batch(tmp_path / "x.batch", [Wanted("fox", state=State.SUBMITTING)])
    for held, status in ((Lock(folder), "in_flight"), (nullcontext(), "in_doubt")):  # its file stays
        with held:
            CliRunner().invoke(group, ["report", str(folder)], catch_exceptions=False)
        data = data_of((folder / "report.html").read_text())
        assert data["rows"][0][data["fields"].index("status")] == status


@pytest.mark.parametrize(("run_seconds", "poster_seconds"), [(0, 1), (100, 10), (86_400, 30)])
def test_a_run_spends_a_tenth_of_its_time_on_posters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_seconds: float, poster_seconds: float
) -> None:
    given: list[float] = []
    monkeypatch.setattr(page, "write", lambda *_, poster_seconds, most_posters: given.append(poster_seconds))
    with Ledger.open(make_batch(tmp_path, []) / "ledger.sqlite") as ledger:
        money.begin_run(ledger)
        began = time.time()
        monkeypatch.setattr(time, "time", lambda: began + run_seconds)
        write_report(ledger, tmp_path, most_posters=None)
    assert given == [pytest.approx(poster_seconds, abs=0.1)]


def test_a_run_makes_posters_of_the_first_hundred_videos_and_a_report_or_a_run_with_a_workbook_those_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[list[str]] = []
    monkeypatch.setattr(
        Posters, "make_all", lambda _, videos, seconds: wanted.append([path.name for _, path in videos])
    )
    with Ledger.open(make_batch(tmp_path, list(many(120, content=b"x"))) / "ledger.sqlite") as ledger:
        for xlsx in (False, True):
            assert write_all(ledger, Settings(tmp_path, xlsx=xlsx), print, is_current=True) is None
        write(ledger, tmp_path)
    every = [f"{n}.mp4" for n in range(1, 121)]
    assert wanted == [every[:100], every, every]


def test_the_workbook_of_a_run_has_the_posters_that_the_run_made(tmp_path: Path) -> None:
    rows = [Wanted(f"r{n}", seed=n, content=film(shade=60 + 20 * n)) for n in range(4)]
    with Ledger.open(make_batch(tmp_path, rows) / "ledger.sqlite") as ledger:
        write_report(ledger, tmp_path, most_posters=2)
        with ZipFile(write_workbook(ledger, tmp_path)) as book:
            pictures = [name for name in book.namelist() if name.startswith("xl/media/")]
    assert len(pictures) == 2


# -- time


def test_pauses_between_sittings_are_left_out() -> None:
    sittings = Sittings.of([(0, 100), (50, 200), (100_000, 100_200)])
    assert sittings
    assert sittings.spans == ((0, 200), (100_000, 100_200))
    assert sittings.seconds == 400
    assert sittings.place(0) == 0
    assert sittings.place(100_200) == pytest.approx(1)
    assert sittings.place(50_000) == sittings.place(200) < sittings.place(100_000)


def test_a_short_wait_is_no_pause() -> None:
    sittings = Sittings.of([(0, 10), (40, 50)])
    assert sittings
    assert sittings.spans == ((0, 50),)


def test_what_lies_between_two_runs_is_a_pause_however_short() -> None:
    work = [(0, 10), (40, 50), (60, 70)]
    sittings = Sittings.of(work, runs=[0, 55])
    assert sittings
    assert sittings.spans == ((0, 50), (60, 70))


def test_runs_are_counted_by_the_ledger_also_those_that_crashed(tmp_path: Path, monkeypatch: Any) -> None:
    rows = [Wanted("fox"), Wanted("owl", "owl", start=100), Wanted("cat", "cat", start=200)]
    folder = make_batch(tmp_path, rows)
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        for after, ends in ((-1, True), (99, False), (199, True), (300, True)):  # the last has nothing to do
            monkeypatch.setattr(time, "time", lambda after=after: BEGUN + after)
            money.begin_run(ledger)
            if ends:
                money.end_run(ledger)
    assert figures(gathered(folder))["Time"] == ("3 min 3 s", "in 3 runs")


def test_no_work_has_no_sitting() -> None:
    assert Sittings.of([]) is None


def test_bins_cover_the_sittings_and_nothing_between() -> None:
    sittings = Sittings.of([(0, 300), (10_000, 10_100)])
    assert sittings
    bins = sittings.bins(8)
    assert [end - start for start, end in bins] == [50.0] * 8
    assert (bins[5][1], bins[6][0]) == (300, 10_000)


def test_slots_and_pace_are_counted_within_bins() -> None:
    bins = [(0.0, 10.0), (10.0, 20.0), (20.0, 30.0)]
    assert most_at_once([(0, 5), (1, 12), (2, 3), (25, 26)], bins) == [3, 1, 1]
    assert per_minute([0, 1, 19.9, 30.0], bins) == [12, 6, 6]


def test_a_task_whose_end_nobody_saw_did_not_run_for_days(tmp_path: Path) -> None:
    folder = make_batch(tmp_path, [Wanted("fox"), Wanted("lost", "lost", state=State.IN_FLIGHT)])
    assert figures(gathered(folder, now=BEGUN + 5 * 86400))["Time"] == ("1 min 1 s", "")


def test_a_task_that_was_asked_for_before_the_clock_was_set_back_is_not_counted_as_less_than_none(
    tmp_path: Path,
) -> None:
    short = Wanted("owl", "owl", start=12, generation=8)
    folder = make_batch(tmp_path, [Wanted("fox"), short, Wanted("elk", "elk", state=State.IN_FLIGHT, start=30)])
    assert figures(gathered(folder, now=BEGUN + 10))["Throughput"][1] == "at most 2 at once"


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (7, 8), (14, 15), (101, 120), (412, 500), (999, 1000)])
def test_an_axis_ends_at_a_number_that_a_person_would_write(value: float, top: float) -> None:
    assert plots.nice(value) == top


# -- the text


class Reader(HTMLParser):
    """Every element with its attributes, as a parser sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def hostile_batch(folder: Path) -> Path:
    rows = [Wanted(f"row-{n}", text, extras={text: text}) for n, text in enumerate(HOSTILE)]
    rows += [
        Wanted(f"bad-{n}", f"bad {text}", state=State.FAILED, fail_code=text, fail_message=text)
        for n, text in enumerate(HOSTILE)
    ]
    return make_batch(folder, rows, HOSTILE)


def test_nothing_of_a_sheet_becomes_markup(tmp_path: Path) -> None:
    elements = Reader(written(hostile_batch(tmp_path / '"><img src=x onerror=alert(1)>.batch'))).elements
    assert [tag for tag, _ in elements].count("script") == 2
    assert not [tag for tag, _ in elements if tag in ("img", "iframe", "object", "base")]
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    assert not [attributes for tag, attributes in elements if "style" in attributes]


def test_the_data_in_the_page_is_the_data(tmp_path: Path) -> None:
    data = data_of(written(hostile_batch(tmp_path)))
    prompt = data["fields"].index("prompt")
    assert [row[prompt] for row in data["rows"][: len(HOSTILE)]] == list(HOSTILE)
    assert data["columns"] == list(HOSTILE)


def test_half_a_character_in_a_column_is_no_end_of_the_report(tmp_path: Path) -> None:
    data = data_of(written(make_batch(tmp_path, [Wanted("fox", extras={"scene": "lone \ud800"})], ["scene"])))
    assert data["rows"][0][data["fields"].index("extras")] == ["lone ?"]


def test_the_policy_lets_in_one_script_and_one_style_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    made = gathered(make_batch(tmp_path, [Wanted("fox")]))
    for html, connect in ((render(made), "'none'"), (render(made, live=True), "'self'")):
        rules = dict(rule.split(" ", 1) for rule in policy_of(html).split("; "))
        assert rules["default-src"] == "'none'"
        assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["script-src"])
        assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["style-src"])
        assert rules["connect-src"] == connect
        assert rules["require-trusted-types-for"] == "'script'"
        assert "http" not in policy_of(html)


def policy_of(html: str) -> str:
    return next(
        a["content"] or "" for tag, a in Reader(html).elements if a.get("http-equiv") == "Content-Security-Policy"
    )


def test_a_template_is_filled_in_one_pass() -> None:
    assert fill("{{a}} {{b}}", {"a": "{{b}}", "b": "x"}) == "{{b}} x"


def test_nodes_print_and_build_the_same() -> None:
    made = node("a", '<"&', node("b", class_="x"), data_find='"', left_out=None)
    assert to_html(made) == '<a data-find="&quot;">&lt;&quot;&amp;<b class="x"></b></a>'
    assert to_tree(made) == ["a", {"data-find": '"'}, '<"&', ["b", {"class": "x"}]]


def test_embedded_data_has_no_bracket_that_html_could_see() -> None:
    text = embed(list(HOSTILE))
    assert not set("<>&") & set(text)
    assert json.loads(text) == list(HOSTILE)


# -- the file


def test_the_file_is_whole_private_and_alone(tmp_path: Path) -> None:
    folder = make_batch(tmp_path, [Wanted("fox")])
    written(folder)
    assert stat.S_IMODE((folder / "report.html").stat().st_mode) == 0o600
    assert not list(folder.glob(".*part"))


def test_a_report_that_cannot_be_written_leaves_the_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_batch(tmp_path, [Wanted("fox")])
    before = written(folder)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        written(folder)
    assert (folder / "report.html").read_text() == before
    assert not list(folder.glob(".*part"))


@pytest.mark.parametrize(("most", "inside"), [(10_000_000, True), (10, False)])
def test_posters_are_in_the_page_where_they_are_few_and_beside_it_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, inside: bool
) -> None:
    folder = make_batch(tmp_path, [Wanted("a", content=film(shade=90)), Wanted("b", "b", content=film(shade=160))])
    monkeypatch.setattr(cards, "INLINE_BYTES", most)
    data = data_of(written(folder))
    posters = [row[data["fields"].index("poster")] for row in data["rows"]]
    if inside:
        assert all(poster.startswith("data:image/jpeg;base64,/9j/") for poster in posters)
    else:
        assert all(re.fullmatch(r"posters/[0-9a-f]{64}-320x180\.jpg", poster) for poster in posters)
        assert all((folder / poster).is_file() for poster in posters)


def test_a_poster_that_somebody_removes_meanwhile_is_no_end_of_the_report(tmp_path: Path) -> None:
    folder = make_batch(tmp_path, [Wanted("fox", content=film())])
    written(folder)
    posters = Posters(folder / "posters")
    shutil.rmtree(folder / "posters")
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        assert card(gather(ledger, folder, beside(folder, posters)), "fox").poster is None


def test_a_video_that_is_none_still_has_its_card(tmp_path: Path) -> None:
    folder = make_batch(tmp_path, [Wanted("fox", content=b"no video")])
    data = data_of(written(folder))
    assert data["rows"][0][data["fields"].index("poster")] is None


# -- words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (amount(9812), "9,812"),
        (amount(0.257), "0.26"),
        (amount(12.34), "12.3"),
        (share(10_000, 10_000), "100%"),
        (share(9_999, 10_000), "99.9%"),
        (share(1, 10_000), "0.1%"),
        (share(0, 0), "0%"),
        (seconds_words(8.24), "8.2 s"),
        (seconds_words(125), "2 min 5 s"),
        (seconds_words(6130), "1 h 42 min"),
        (seconds_words(273_600), "3 d 4 h"),
        (size_words(5_400_000), "5.4 MB"),
        (size_words(999), "999 bytes"),
    ],
)
def test_numbers_are_told_as_a_person_reads_them(words: str, said: str) -> None:
    assert words == said


def test_the_axis_tells_days_only_where_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 11, 22, 22, 0, tzinfo=UTC).timestamp()
    assert plots._form(start, start + 60) == "%H:%M:%S"
    assert plots._form(start, start + 7200) == "%H:%M"
    assert plots._form(start, start + 2 * 86400) == "%d %b %H:%M"
