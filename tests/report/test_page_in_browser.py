"""The page in a real Chromium: from the disk and served, with hostile sheets, ten thousand rows, keys and a phone."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from batchgen.folder.lock import Lock
from batchgen.ledger import Ledger
from batchgen.model import EMULATOR, State
from batchgen.report import cards, plots
from batchgen.report import page as page_room
from batchgen.report.markup import to_html
from batchgen.report.page import write
from batchgen.report.serve import ReportServer
from batchgen.report.sittings import Sittings
from tests.report.batches import HOSTILE, Wanted, archive, failed, film, make_batch, many
from tests.s3_server import S3Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WAIT_SECONDS = 60
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
FOX = film(shade=120)
expect.set_options(timeout=1000 * WAIT_SECONDS)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]


@dataclass
class Opened:
    """A page, and all that it said and asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)  # console, errors, dialogs
    requests: list[str] = field(default_factory=list)

    async def cards(self) -> list[str]:
        return await self.page.locator(".card .id").all_inner_texts()

    async def count(self) -> str:
        return await self.page.inner_text("#count")

    async def until(self, expression: str) -> None:
        """Wait until the page finds this true. (Playwright's own way is an eval, which the page's policy forbids.)"""
        async with asyncio.timeout(WAIT_SECONDS):
            while not await self.page.evaluate(expression):
                await asyncio.sleep(0.05)

    async def is_at(self, identity: str) -> None:
        """Wait until the keyboard is at the card of this id."""
        await expect(self.page.locator(".card:focus-within .id")).to_have_text(identity)


Open = Callable[..., Awaitable[Opened]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Open]:
    """Open an address; at the end, the page must have had nothing to complain of."""
    seen: list[Opened] = []

    async def open_at(url: str, **options: Any) -> Opened:
        context = await browser.new_context(**({"viewport": WIDE} | options))
        opened = Opened(await context.new_page())
        page = opened.page
        page.on("console", lambda message: opened.complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: opened.complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: opened.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: opened.requests.append(request.url))
        await page.goto(url)
        seen.append(opened)
        return opened

    yield open_at
    for opened in seen:
        await opened.page.context.close()
        assert opened.complaints == []


def report(folder: Path, rows: list[Wanted], columns: tuple[str, ...] = ()) -> str:
    make_batch(folder, rows, columns)
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        return write(ledger, folder).as_uri()


def few() -> list[Wanted]:
    return [
        Wanted("fox", "A red fox in the snow", content=FOX, extras={"scene": "forest", "Shot name": "A7"}),
        Wanted(
            *("harbour", "A harbour at dawn"),
            seed=42,
            resolution="1080p",
            content=FOX,
            extras={"scene": "at sea", "Shot name": "A 8"},
        ),
        failed("hut", "An alpine hut", seed=43, extras={"scene": "forest"}),
        Wanted("train", "A steam train", seed=44, state=State.IN_FLIGHT, extras={"scene": "journey"}),
    ]


@pytest.fixture
def some(tmp_path: Path) -> str:
    return report(tmp_path / "some.batch", few(), ("scene", "Shot name"))


# -- from the disk, and with what others wrote


async def test_it_opens_from_the_disk_and_asks_for_nothing(visit: Open, some: str) -> None:
    opened = await visit(some, offline=True)
    assert await opened.cards() == ["fox", "harbour", "hut", "train"]
    assert await opened.count() == "4 rows"
    assert await opened.page.locator(".figures b").first.inner_text() == "2"
    assert {url for url in opened.requests if not url.startswith("data:")} == {some}


async def test_the_card_of_a_video_that_could_not_be_fetched_says_why(visit: Open, tmp_path: Path) -> None:
    row = Wanted("fox", state=State.RENDERED, fail_message="cdn.example/fox.mp4: the host answered HTTP 206")
    opened = await visit(report(tmp_path / "made.batch", [row]))
    words = await opened.page.locator(".card .plain").inner_text()
    assert words.split("\n") == ["to fetch", "cdn.example/fox.mp4: the host answered HTTP 206"]


async def test_a_poster_fills_its_card(visit: Open, some: str) -> None:
    opened = await visit(some)
    image = opened.page.locator(".card img").first
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
    assert await image.get_attribute("alt") == "A frame of fox"


def seen_as(text: str) -> str:
    """What commands a terminal or turns the writing direction is made visible."""
    return "".join(c if c.isprintable() else f"⟨U+{ord(c):04X}⟩" for c in text)


async def test_hostile_texts_are_shown_as_texts_everywhere(visit: Open, tmp_path: Path) -> None:
    rows = [
        Wanted(
            f"{number} {text}"[:60], text, extras={text: text}, state=State.FAILED, fail_code=text, fail_message=text
        )
        for number, text in enumerate(HOSTILE)
    ]
    opened = await visit(report(tmp_path / '"><img src=x onerror=alert(1)>.batch', rows, HOSTILE))
    page = opened.page
    assert await page.locator("h1").inner_text() == '"><img src=x onerror=alert(1)>'
    assert await page.locator(".card .line").all_text_contents() == [seen_as(text) for text in HOSTILE]
    assert await page.locator(".card .words").all_text_contents() == [seen_as(text) for text in HOSTILE]
    await page.locator(".card").first.click()
    for text in HOSTILE:
        await expect(page.locator(".viewer .prompt")).to_have_text(seen_as(text), use_inner_text=False)
        assert await page.locator(".trouble strong").text_content() == seen_as(text)
        assert await page.locator(".viewer dd").filter(has_text=seen_as(text).strip()).count() >= 1
        await page.keyboard.press("ArrowRight")
    assert await page.locator("#head .code").first.text_content() in HOSTILE
    assert await page.evaluate("document.querySelectorAll('img, iframe, [onerror]').length") == 0
    assert len(opened.requests) == 1


async def test_texts_however_long_stay_within_their_card(visit: Open, tmp_path: Path) -> None:
    long = ("x" * 5000, "word " * 1000, "A\u0301\u0302" * 2000, "\n" * 50 + "end")
    rows = [
        Wanted(f"{number} {state} {text}", text, seed=2**63 - number, state=state, fail_code=text, fail_message=text)
        for number, text in enumerate(long)
        for state in (State.FAILED, State.PENDING)
    ]
    opened = await visit(report(tmp_path / "long.batch", rows), viewport=PHONE)
    over = await opened.page.locator(".card").evaluate_all(
        "cards => cards.flatMap((card) => [...card.querySelectorAll('*')].filter((part) =>"
        " part.getBoundingClientRect().right > card.getBoundingClientRect().right + 1))"
        ".filter((part) => !part.closest('.plain')).length"
    )
    heights = await opened.page.locator(".card").evaluate_all("cards => cards.map((card) => card.offsetHeight)")
    assert over == 0
    assert max(heights) < 300


ATTACKS = {
    "script": "const it = document.createElement('script'); it.append('window.pwned = 1'); document.body.append(it)",
    "handler": "document.body.setAttribute('onclick', 'window.pwned = 1'); document.body.click()",
    "markup": "document.body.innerHTML = '<img src=x onerror=\"window.pwned = 1\">'",
    "address": "const it = document.createElement('a'); it.href = 'javascript:window.pwned = 1'; "
    "document.body.append(it); it.click()",
    "style": "const it = document.createElement('style'); it.append('body { zoom: 3 }'); document.body.append(it)",
    "picture": "new Image().src = 'http://127.0.0.1:9/stolen'",
    "message": "fetch('http://127.0.0.1:9/stolen').catch(() => {})",
    "frame": "const it = document.createElement('iframe'); it.src = 'http://127.0.0.1:9/'; document.body.append(it)",
}


async def test_what_a_mistake_of_ours_let_in_would_still_do_nothing(browser: Browser, some: str) -> None:
    """The policy alone, as the last wall."""
    context = await browser.new_context()
    page = await context.new_page()
    reached: list[str] = []
    page.on("requestfinished", lambda request: reached.append(request.url))
    await page.goto(some)
    await page.evaluate(
        "window.refused = [];"
        "addEventListener('securitypolicyviolation', (event) => refused.push(event.violatedDirective))"
    )
    for name, attack in ATTACKS.items():
        await page.evaluate(f"() => {{ refused.length = 0; try {{ {attack} }} catch {{}} }}")
        async with asyncio.timeout(WAIT_SECONDS):
            while not await page.evaluate("refused.length"):
                await asyncio.sleep(0.05)
        assert await page.evaluate("window.pwned") is None, name
    assert await page.evaluate("getComputedStyle(document.body).zoom") == "1"
    assert not [url for url in reached if "127.0.0.1" in url]
    await context.close()


async def test_a_mangled_address_is_no_end_of_the_page(visit: Open, some: str) -> None:
    opened = await visit(
        some + "#q=%22&status=constructor&size=99&sort=toString&view=x&is=[[[&is=%5B%22a%22,%22b%22%5D"
    )
    await expect(opened.page.locator("#count")).not_to_be_empty()


# -- search and filters


SEARCHES = {
    "FOX": ["fox"],
    "snow red": ["fox"],
    '"red fox"': ["fox"],
    "seed:42": ["harbour"],
    "seed:4": [],
    "status:failed": ["hut"],
    "scene:forest": ["fox", "hut"],
    'scene:"at sea"': ["harbour"],
    "scene:forest -alpine": ["fox"],
    '"Shot name":a7': ["fox"],
    '-"shot name":"A 8" -scene:journey': ["fox", "hut"],
    "resolution:1080p": ["harbour"],
    "aspect:16:9 length:5 mode:text -status:failed": ["fox", "harbour", "train"],
    "aspect_ratio:16:9 duration:5 attempts:1 -status:failed": ["fox", "harbour", "train"],
    "duration:1": [],
    "task_id:task_2 video:videos/2.mp4": ["harbour"],
    "fail_code:sensitive": ["hut"],
    "fail_message:flagged": ["hut"],
    "generation_seconds:60 submitted_at:2026-11-18t submitted_at:z status:archived": ["fox", "harbour"],
    "flagged": ["hut"],
    "task_2": ["harbour"],
    "no:such": [],
    "constructor:x": [],
    "__proto__:x": [],
    "javascript:alert(1)": [],
    "(": [],
}


async def test_a_search_finds_words_and_columns(visit: Open, some: str) -> None:
    opened = await visit(some)
    for query, found in SEARCHES.items():
        await opened.page.fill("#search", query)
        assert sorted(await opened.cards()) == sorted(found), query
        assert await opened.page.is_visible("#empty") is (not found)
        assert await opened.count() == f"{len(found)} of 4"


async def test_a_name_that_is_no_column_is_said(visit: Open, some: str) -> None:
    page = (await visit(some)).page
    await page.fill("#search", 'foo:x -"sheet name":y 9:16 https://x constructor:x')
    assert await page.inner_text("#unknown") == (
        "There is no column “foo”, “sheet name”, “constructor” here: looked for as words."
    )
    await page.fill("#search", "seed:42")
    assert not await page.is_visible("#unknown")


async def test_a_column_of_the_sheet_is_asked_by_its_name_in_the_results(visit: Open, tmp_path: Path) -> None:
    extras = [{"length": "long", "status": "ready"}, {"length": "short", "status": "archived"}]
    rows = [Wanted(f"r{n}", seed=n, extras=more) for n, more in enumerate(extras)]
    opened = await visit(report(tmp_path / "own.batch", rows, ("length", "status")))
    for query, found in {
        "length:long": 1,
        "status:archived": 2,
        "manifest_status:archived": 1,
        "duration:5": 2,
    }.items():
        await opened.page.fill("#search", query)
        assert len(await opened.cards()) == found, query


async def test_filters_narrow_and_are_cleared_and_kept_in_the_address(visit: Open, some: str) -> None:
    opened = await visit(some)
    page = opened.page
    await page.click("[data-status=archived]")
    assert await opened.cards() == ["fox", "harbour"]
    await page.select_option("[data-facet=resolution]", "=1080p")
    assert await opened.cards() == ["harbour"]
    await page.select_option("[data-facet='column scene']", "=forest")
    assert await opened.cards() == []
    await page.reload()
    assert await opened.cards() == []
    assert await page.input_value("[data-facet=resolution]") == "=1080p"
    assert await page.get_attribute("[data-status=archived]", "aria-pressed") == "true"
    await page.click("#clear")
    assert len(await opened.cards()) == 4


async def test_a_link_to_what_somebody_chose_is_followed_where_the_page_is_open_already(visit: Open, some: str) -> None:
    opened = await visit(some + "#q=fox&size=4")
    await opened.page.goto(some + "#q=alpine&status=failed&is=%5B%22resolution%22%2C%22720p%22%5D")
    await expect(opened.page.locator(".card .id")).to_have_text(["hut"])
    assert await opened.page.input_value("#search") == "alpine"
    assert await opened.page.get_attribute("[data-status=failed]", "aria-pressed") == "true"
    assert await opened.page.input_value("[data-facet=resolution]") == "=720p"
    await opened.page.goto(some + "#q=fox")
    await expect(opened.page.locator(".card .id")).to_have_text(["fox"])
    assert await opened.page.get_attribute("[data-status=failed]", "aria-pressed") == "false"
    await opened.page.locator(".skip").press("Enter")
    await opened.until("location.hash === '#wall'")
    assert await opened.cards() == ["fox"]


async def test_the_order_can_be_chosen(visit: Open, some: str) -> None:
    opened = await visit(some)
    await opened.page.select_option("[data-sort]", "troubles")
    places = await opened.page.locator(".card").evaluate_all(
        "cards => cards.sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)"
        ".map((card) => card.querySelector('.id').textContent)"
    )
    assert places == ["hut", "train", "fox", "harbour"]


async def test_a_cause_leads_to_its_rows(visit: Open, some: str) -> None:
    opened = await visit(some)
    await opened.page.click(".causes button")
    assert await opened.cards() == ["hut"]
    assert await opened.page.input_value("#search") == 'cause:"SensitiveContentDetected"'


async def test_a_cause_leads_to_its_rows_whatever_the_service_called_it(visit: Open, tmp_path: Path) -> None:
    rows = [failed(f"r{n}", text, fail_code=text) for n, text in enumerate(HOSTILE[:5])]
    opened = await visit(report(tmp_path / "odd.batch", rows))
    for number in range(5):
        await opened.page.click(f".causes button >> nth={number}")
        assert await opened.cards() == [f"r{number}"]


# -- what there is to see


async def test_a_video_without_a_poster_shows_its_own_first_frame(visit: Open, tmp_path: Path) -> None:
    folder = make_batch(tmp_path / "bare.batch", few(), ("scene", "Shot name"))
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        url = write(ledger, folder, poster_seconds=0).as_uri()
    opened = await visit(url)
    await opened.until("document.querySelector('.card video')?.readyState >= 2")
    assert await opened.page.locator(".card video").evaluate_all("all => all.map((one) => one.preload)") == [
        "metadata",
        "metadata",
    ]
    await opened.page.fill("#search", "hut")
    assert await opened.page.locator("video").count() == 0


async def test_a_page_that_was_copied_shows_what_came_with_it(
    visit: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "INLINE_BYTES", 0)
    folder = tmp_path / "whole.batch"
    report(folder, [Wanted("fox", content=FOX), Wanted("owl", "b", content=FOX)])
    for name, kept in (("videos", ("videos",)), ("alone", ())):
        copy = tmp_path / name
        copy.mkdir()
        shutil.copy(folder / "report.html", copy)
        for each in kept:
            shutil.copytree(folder / each, copy / each)
        opened = await visit((copy / "report.html").as_uri())
        if kept:
            await opened.until("document.querySelectorAll('.card video').length === 2")
            await opened.until("document.querySelector('.card video').readyState > 1")
        else:
            await opened.until("document.querySelectorAll('.card .words').length === 2")
            said = await opened.page.locator(".card .words").first.inner_text()
            assert said == "It cannot be loaded from where this page looks for it."
            await opened.page.click(".card >> nth=0")
            lost = await opened.page.locator(".stage [role=alert]").inner_text()
            assert "videos/" in lost
            assert "Send or move a page together with its videos." in lost
        opened.complaints[:] = [each for each in opened.complaints if "ERR_FILE_NOT_FOUND" not in each]


async def test_a_card_without_a_video_says_why(visit: Open, tmp_path: Path) -> None:
    rows = [
        Wanted("doubt", state=State.IN_DOUBT),
        Wanted("expired", "b", state=State.EXPIRED),
        Wanted("far", "c", places=("s3://night/fox.mp4",)),
        Wanted("gone", "d"),
        failed("bad", "e"),
    ]
    opened = await visit(report(tmp_path / "none.batch", rows))
    words = await opened.page.locator(".card .words").all_inner_texts()
    assert words == [
        "Perhaps paid for: batchgen resolve tells what is known.",
        "Made and paid for, but its link died before it was fetched.",
        "It is in S3: batchgen report --serve shows it.",
        "It is not where it was archived.",
        "It was flagged.",
    ]


async def test_a_code_that_a_card_is_too_narrow_for_breaks_behind_an_underscore(visit: Open, tmp_path: Path) -> None:
    code = "_".join(["CONTENT", "VIOLATION"] * 4)
    opened = await visit(report(tmp_path / "codes.batch", [failed("bad", "a", aspect_ratio="9:16", fail_code=code)]))
    (told,) = await opened.page.locator(".card .status").all_inner_texts()
    assert told.replace("\u200b", "") == code
    lines = await opened.page.evaluate(
        """() => [...document.querySelectorAll(".card .status span")].flatMap(({ childNodes }) =>
            [...childNodes].filter((part) => part.data).map((part) => {
                const range = document.createRange();
                range.selectNodeContents(part);
                return range.getClientRects().length;
            }))"""
    )
    assert lines == [1] * 8


async def test_of_an_emulated_batch_no_card_speaks_of_pay(visit: Open, tmp_path: Path) -> None:
    folder = make_batch(
        tmp_path / "none.batch", [Wanted("doubt", state=State.IN_DOUBT), Wanted("b", "b", state=State.EXPIRED)]
    )
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        ledger.remember({"service": EMULATOR})
        opened = await visit(write(ledger, folder).as_uri())
    assert await opened.page.locator(".card .words").all_inner_texts() == [
        "The answer was lost: batchgen resolve tells what is known.",
        "Made, but its link died before it was fetched.",
    ]


async def test_a_batch_without_rows_says_so(visit: Open, tmp_path: Path) -> None:
    opened = await visit(report(tmp_path / "empty.batch", []))
    assert await opened.page.inner_text("main > p:visible") == "This batch has no rows yet."


async def test_on_paper_every_card_is_there_in_order(visit: Open, tmp_path: Path) -> None:
    opened = await visit(report(tmp_path / "paper.batch", list(many(300, state=State.IN_FLIGHT))))
    await opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert await opened.cards() == [f"clip-{number:05}" for number in range(300)]
    await opened.page.emulate_media(media="print")
    tops = await opened.page.locator(".card").evaluate_all("cards => cards.map((card) => card.offsetTop)")
    assert tops == sorted(tops)
    assert not await opened.page.is_visible("#toolbar")
    await opened.page.emulate_media(media="screen")
    await opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert len(await opened.cards()) < 150


# -- playing


async def test_a_click_plays_the_video_silently_and_for_ever(visit: Open, some: str) -> None:
    opened = await visit(some)
    await opened.page.click(".card >> nth=0")
    video = opened.page.locator(".viewer video")
    assert await video.evaluate("video => [video.muted, video.loop, video.preload]") == [True, True, "none"]
    await opened.until("document.querySelector('.viewer video').currentTime > 0.2")


async def test_a_rest_over_a_card_plays_it_and_leaving_ends_it(visit: Open, some: str) -> None:
    opened = await visit(some)
    await opened.page.hover(".card >> nth=0")
    await opened.until("document.querySelector('.card video')?.currentTime > 0.1")
    silent = "video => [video.muted, video.loop, video.preload]"
    assert await opened.page.locator(".card video").evaluate(silent) == [True, True, "none"]
    await opened.page.hover(".card >> nth=1")
    await expect(opened.page.locator(".card video")).to_have_count(1)
    await opened.page.hover("h1")
    await expect(opened.page.locator(".card video")).to_have_count(0)


async def test_who_wants_less_motion_is_shown_none_unasked(visit: Open, some: str) -> None:
    opened = await visit(some, reduced_motion="reduce")
    await opened.page.hover(".card >> nth=0")
    await opened.page.wait_for_timeout(400)
    assert await opened.page.locator(".card video").count() == 0


async def test_the_opened_view_tells_all_that_is_known(visit: Open, tmp_path: Path) -> None:
    row = failed("hut", "An alpine hut", images=("https://a.example/x.png", "javascript:alert(1)"))
    opened = await visit(report(tmp_path / "one.batch", [row]))
    await opened.page.click(".card")
    told = await opened.page.inner_text(".viewer .panel")
    for words in (
        "An alpine hut",
        "SensitiveContentDetected",
        "It was flagged.",
        "720p",
        "5 s",
        "$0.40",
        "task_1",
        "1 min 0 s",
    ):
        assert words in told
    links = await opened.page.locator(".viewer a").evaluate_all("links => links.map((link) => [link.href, link.rel])")
    assert links == [["https://a.example/x.png", "noreferrer noopener"]]


async def test_a_video_that_is_on_s3_says_how_to_see_it(visit: Open, tmp_path: Path) -> None:
    opened = await visit(report(tmp_path / "far.batch", [Wanted("fox", places=("s3://night/fox.mp4",))]))
    await opened.page.click(".card")
    assert "batchgen report --serve" in await opened.page.inner_text(".viewer")
    assert "s3://night/fox.mp4" in await opened.page.inner_text(".viewer")


async def test_a_seed_is_shown_whole_whatever_the_card_has_room_for(visit: Open, tmp_path: Path) -> None:
    seeds = (7, 1048576, 2**31 - 1, 2**63 - 1)
    rows = [
        Wanted(
            f"{shape}-{seed}-of-the-opening-of-the-film", f"{shape} {seed}", State.IN_FLIGHT, seed, aspect_ratio=shape
        )
        for shape in ("16:9", "1:1", "4:3")
        for seed in seeds
    ]
    opened = await visit(report(tmp_path / "long.batch", rows))
    widths = set()
    for _ in range(4):
        found = await opened.page.locator(".card .last").evaluate_all(
            "parts => parts.filter((part) => part.offsetWidth).map((part) => [part.textContent,"
            " part.scrollWidth <= part.clientWidth, part.closest('.card').offsetWidth])"
        )
        assert [text for text, is_whole, _ in found if not is_whole] == []
        assert {text for text, _, _ in found} <= {f"seed {seed}" for seed in seeds}
        widths |= {width for _, _, width in found}
        await opened.page.keyboard.press("-")
    assert min(widths) < 160
    assert max(widths) > 200


async def test_ids_and_seeds_can_be_copied_as_they_are(visit: Open, tmp_path: Path) -> None:
    url = report(tmp_path / "one.batch", [Wanted("fox\u202e", seed=2**63 - 1, content=FOX)])
    opened = await visit(url, permissions=["clipboard-read", "clipboard-write"])
    await opened.page.click(".card")
    for where, text in ((".viewer h2 .copy", "fox\u202e"), (".viewer dd .copy >> nth=0", str(2**63 - 1))):
        await opened.page.click(where)
        await expect(opened.page.locator(where)).to_have_text("Copied")
        assert await opened.page.evaluate("navigator.clipboard.readText()") == text


async def test_on_a_phone_no_arrow_lies_over_what_is_told_of_a_failed_row_and_no_word_is_broken(
    visit: Open, tmp_path: Path
) -> None:
    words = {"fail_code": "CONTENT_VIOLATION", "fail_message": "Content does not meet safety guidelines"}
    rows = [failed(f"a-fox-crossing-a-frozen-lake-s{n}-1fa5c78aa57b", "A fox", seed=n, **words) for n in range(3)]
    opened = await visit(report(tmp_path / "failed.batch", rows), viewport=PHONE)
    spaces = "[...document.querySelectorAll('.figures dd span')].map((line) => line.scrollHeight - line.clientHeight)"
    assert set(await opened.page.evaluate(spaces)) == {0}, "a line of the figures is cut"
    await opened.page.click(".card >> nth=1")
    boxes = "(where) => [...document.querySelectorAll(where)].map((part) => part.getBoundingClientRect().toJSON())"
    told = await opened.page.evaluate(boxes, ".still .status, .still .words")
    for arrow in await opened.page.evaluate(boxes, ".before, .after"):
        assert all(box["right"] <= arrow["left"] or box["left"] >= arrow["right"] for box in told)
    after, close = await opened.page.evaluate(boxes, ".after, .close")
    assert after["right"] <= close["right"], "it lies under the page's scrollbar"
    (copy,) = await opened.page.evaluate(boxes, ".viewer h2 .copy")
    assert copy["height"] < 24  # one line


# -- keys


async def test_the_wall_is_walked_by_keys(visit: Open, some: str) -> None:
    opened = await visit(some)
    keyboard = opened.page.keyboard
    await keyboard.press("/")
    await expect(opened.page.locator("#search")).to_be_focused()
    await keyboard.type("o")
    await keyboard.press("Escape")
    assert await opened.page.input_value("#search") == ""
    await keyboard.type("train")
    await keyboard.press("Enter")
    await opened.is_at("train")
    await keyboard.press("Escape")  # from anywhere
    assert await opened.page.input_value("#search") == ""
    assert len(await opened.cards()) == 4
    await keyboard.press("Home")
    for key, identity in (("ArrowRight", "harbour"), ("End", "train"), ("Home", "fox"), ("ArrowLeft", "fox")):
        await keyboard.press(key)
        await opened.is_at(identity)


async def test_a_video_is_opened_walked_paused_and_closed_by_keys(visit: Open, some: str) -> None:
    opened = await visit(some)
    page = opened.page
    await page.focus(".card button >> nth=0")
    await page.keyboard.press("Enter")
    await expect(page.locator(".viewer h2 code")).to_have_text("fox")
    await opened.until("!document.querySelector('.viewer video').paused")
    await page.keyboard.press("Space")
    assert await page.evaluate("document.querySelector('.viewer video').paused")
    await page.keyboard.press("m")
    assert not await page.evaluate("document.querySelector('.viewer video').muted")
    await page.keyboard.press("ArrowRight")
    await expect(page.locator(".viewer h2 code")).to_have_text("harbour")
    await page.keyboard.press("Escape")
    assert not await page.is_visible(".viewer")
    await opened.is_at("harbour")
    assert await page.locator("video").count() == 0


async def test_a_long_prompt_leaves_the_facts_in_sight_and_the_keys_scroll_them(visit: Open, tmp_path: Path) -> None:
    opened = await visit(report(tmp_path / "long.batch", [failed("long", "a fox in the snow " * 300)]))
    page = opened.page
    await page.click(".card")
    assert await page.locator(".viewer h3", has_text="Settings").evaluate(
        "title => title.getBoundingClientRect().top < innerHeight"
    )
    await page.keyboard.press("ArrowDown")
    await opened.until("document.querySelector('.panel').scrollTop > 0")
    await page.focus(".viewer .prompt")
    await page.keyboard.press("ArrowDown")
    await opened.until("document.querySelector('.viewer .prompt').scrollTop > 0")


async def test_the_videos_of_one_task_are_all_there(visit: Open, tmp_path: Path) -> None:
    places = ("videos/1.mp4", "videos/1_2.mp4")
    opened = await visit(report(tmp_path / "two.batch", [Wanted("fox", content=FOX, places=places)]))
    page = opened.page
    assert await page.inner_text(".card .last") == "2 videos"
    await page.click(".card")
    await page.click(".parts button >> nth=1")
    assert await page.get_attribute(".parts button >> nth=1", "aria-pressed") == "true"
    await opened.until("document.querySelector('.viewer video')?.src.endsWith('videos/1_2.mp4')")


async def test_help_is_a_question_mark_away(visit: Open, some: str) -> None:
    opened = await visit(some)
    await opened.page.keyboard.press("?")
    assert "search" in await opened.page.inner_text("#help")
    await opened.page.keyboard.press("Escape")
    assert not await opened.page.is_visible("#help")


# -- ten thousand rows


@pytest.fixture(scope="module")
def ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> str:
    shapes = ("16:9", "9:16", "1:1")
    rows = [
        Wanted(**(vars(row) | {"aspect_ratio": shapes[number % 3]}))
        for number, row in enumerate(many(10_000, state=State.IN_FLIGHT))
    ]
    return report(tmp_path_factory.mktemp("many") / "many.batch", rows)


async def test_ten_thousand_rows_are_a_hundred_elements_wherever_one_looks(visit: Open, ten_thousand: str) -> None:
    opened = await visit(ten_thousand)
    page = opened.page
    assert await opened.count() == "10,000 rows"
    height = await page.evaluate("document.documentElement.scrollHeight")
    seen = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        await page.evaluate("y => scrollTo(0, y)", height * share)
        await opened.until(
            "() => [...document.querySelectorAll('.card')].some((card) => {"
            "const at = card.getBoundingClientRect(); return at.bottom > 200 && at.top < innerHeight; })"
        )
        assert await page.locator(".card").count() < 150
        assert await page.evaluate("document.querySelectorAll('*').length") < 2000
        await opened.until("[...document.querySelectorAll('.media')].every((media) => media.firstChild)")
        seen.append(int((await opened.cards())[-1].removeprefix("clip-")))
    assert seen == sorted(seen)
    assert "clip-09999" in await opened.cards()


async def test_ten_thousand_rows_are_searched_and_walked(visit: Open, ten_thousand: str) -> None:
    opened = await visit(ten_thousand)
    page = opened.page
    await page.keyboard.press("/")
    await page.keyboard.type("seed:7777")
    assert await opened.cards() == ["clip-07777"]
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await page.keyboard.press("End")
    await opened.is_at("clip-09999")
    assert await page.locator(".card").count() < 150


async def test_the_keyboard_keeps_its_place_when_the_wheel_turns(visit: Open, ten_thousand: str) -> None:
    opened = await visit(ten_thousand)
    await opened.page.focus(".card button >> nth=0")
    await opened.page.evaluate("scrollTo(0, 100000)")
    await opened.until("[...document.querySelectorAll('.card .id')].some((id) => id.textContent > 'clip-00500')")
    await opened.is_at("clip-00000")
    await opened.page.keyboard.press("ArrowRight")
    await opened.is_at("clip-00001")


async def test_no_two_cards_overlap_and_none_stands_over_the_edge(visit: Open, ten_thousand: str) -> None:
    opened = await visit(ten_thousand)
    boxes = await opened.page.locator(".card").evaluate_all(
        "cards => cards.map((card) => card.getBoundingClientRect())"
        ".map(({left, top, right, bottom}) => [left, top, right, bottom])"
    )
    edge = await opened.page.evaluate("document.getElementById('wall').getBoundingClientRect().right")
    assert max(right for _, _, right, _ in boxes) <= edge + 1
    for number, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:number]:
            apart = (
                right <= other[0] + 0.5 or other[2] <= left + 0.5 or bottom <= other[1] + 0.5 or other[3] <= top + 0.5
            )
            assert apart, (boxes[number], other)


# -- the grid


@pytest.fixture
def seeds(tmp_path: Path) -> str:
    rows = [
        Wanted(f"{prompt}-s{seed}", f"A {prompt}", seed=seed, state=State.IN_FLIGHT)
        for prompt, its in (("fox", (1, 2, 3)), ("hut", (1, 3)))
        for seed in its
    ]
    return report(tmp_path / "grid.batch", [*rows, Wanted("alone", "alone", seed=9, state=State.IN_FLIGHT)])


async def test_a_sheet_of_prompts_and_seeds_is_shown_as_a_grid(visit: Open, seeds: str) -> None:
    opened = await visit(seeds)
    page = opened.page
    assert await page.locator(".heading h2").all_inner_texts() == ["A fox", "A hut"]
    lefts = {
        identity: await page.locator(".card", has_text=identity).evaluate("card => card.getBoundingClientRect().x")
        for identity in ("fox-s1", "fox-s2", "fox-s3", "hut-s1", "hut-s3")
    }
    assert lefts["fox-s1"] == lefts["hut-s1"] < lefts["fox-s2"] < lefts["fox-s3"] == lefts["hut-s3"]
    await page.keyboard.press("g")
    assert await page.locator(".heading").count() == 0
    assert len(await opened.cards()) == 6


async def test_prompts_with_few_seeds_stand_beside_each_other(visit: Open, tmp_path: Path) -> None:
    rows = [
        Wanted(f"{prompt}-s{seed}", f"A {prompt}", seed=seed, state=State.IN_FLIGHT, aspect_ratio=shape)
        for prompt, its, shape in (("fox", (1, 2), "16:9"), ("hut", (7, 8), "16:9"), ("owl", (1, 2), "9:16"))
        for seed in its
    ]
    opened = await visit(report(tmp_path / "grid.batch", rows), viewport={"width": 1600, "height": 900})
    places = await opened.page.locator(".heading").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect()).map(({x, y}) => [x, y])"
    )
    (fox, hut, owl) = places
    assert (fox[1], fox[0] < hut[0]) == (hut[1], True)
    assert (owl[0], owl[1] > fox[1]) == (fox[0], True)  # another shape begins a line
    boxes = await opened.page.locator(".card").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect()).map(({left, top}) => [Math.round(left), Math.round(top)])"
    )
    assert len({tuple(box) for box in boxes}) == 6
    await opened.page.focus(".card button >> nth=0")
    for identity in ("fox-s2", "hut-s7", "hut-s8", "owl-s1"):
        await opened.page.keyboard.press("ArrowRight")
        await opened.is_at(identity)
    await opened.page.keyboard.press("ArrowUp")
    await opened.is_at("fox-s1")


async def test_a_sheet_without_seeds_beside_each_other_offers_no_grid(visit: Open, some: str) -> None:
    opened = await visit(some)
    assert not await opened.page.is_visible("#views")


# -- to be seen and read by all


@pytest.mark.parametrize("viewport", [PHONE, {"width": 320, "height": 640}, WIDE, {"width": 2560, "height": 1300}])
async def test_nothing_stands_over_the_edge_of_any_screen(visit: Open, some: str, viewport: dict[str, int]) -> None:
    opened = await visit(some, viewport=viewport, has_touch=viewport["width"] < 640)
    within = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert await opened.page.evaluate(within)
    await opened.page.click(".card >> nth=1")
    dialog = "(() => { const it = document.querySelector('.viewer'); return it.scrollWidth <= it.clientWidth; })()"
    assert await opened.page.evaluate(dialog)


async def test_on_a_tablet_no_figure_stands_alone_and_no_plot_leaves_a_blank(visit: Open, some: str) -> None:
    opened = await visit(some, viewport={"width": 820, "height": 1100})
    tops = await opened.page.locator(".figures > div").evaluate_all("parts => parts.map((part) => part.offsetTop)")
    assert 1 not in {tops.count(top) for top in tops}
    blank = """() => {
        const plot = [...document.querySelectorAll(".plot")].find((each) => each.innerText.includes("Generation time"));
        const below = [...plot.querySelectorAll("svg *")].map((part) => part.getBoundingClientRect().bottom);
        return plot.getBoundingClientRect().bottom - Math.max(...below);
    }"""
    assert await opened.page.evaluate(blank) < 30


@pytest.mark.parametrize("scale", [1.0, 60.0, 86400.0], ids=["seconds", "minutes", "days"])
async def test_no_two_times_below_a_plot_touch_however_the_runs_lie(browser: Browser, scale: float) -> None:
    drawings = []
    for first in range(1, 100, 3):
        spans = ((0.0, first * scale), ((first + 1) * scale, 101 * scale), (102 * scale, 120 * scale))
        drawings.append(to_html(plots.slots([spans[0]], Sittings(spans))))
    page = await browser.new_page()
    style = Path(page_room.__file__).with_name("template") / "page.css"
    await page.set_content(f"<style>{style.read_text(encoding='utf-8')}</style>{''.join(drawings)}")
    apart = """() => [...document.querySelectorAll(".plot svg")].map((svg) => {
        const boxes = [...svg.querySelectorAll("text")].slice(1).map((text) => text.getBoundingClientRect());
        return Math.min(...boxes.slice(1).map((box, n) => box.left - boxes[n].right));
    })"""
    found = await page.evaluate(apart)
    await page.close()
    assert len(found) == len(drawings)
    assert min(found) > 2


async def test_a_long_place_breaks_and_its_button_does_not(visit: Open, tmp_path: Path) -> None:
    place = f"s3://a-bucket/{'a-fox-crossing-a-frozen-lake-' * 3}.mp4"
    opened = await visit(report(tmp_path / "far.batch", [Wanted("far", places=(place,))]))
    await opened.page.click(".card")
    copy = await opened.page.locator(".files .copy").bounding_box()
    assert copy
    assert copy["height"] < 24  # one line


async def test_on_a_phone_a_tap_opens_and_filters_unfold(visit: Open, some: str) -> None:
    opened = await visit(some, viewport=PHONE, has_touch=True, is_mobile=True)
    assert not await opened.page.is_visible("#filters")
    await opened.page.tap("#more")
    assert await opened.page.is_visible("#filters")
    await opened.page.tap(".card >> nth=0")
    await opened.until("document.querySelector('.viewer video').currentTime > 0.1")


CONTRAST = """selector => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const item = document.querySelector(selector);
  let behind = item;
  while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  const [one, other] = [getComputedStyle(item).color, getComputedStyle(behind).backgroundColor].map(light);
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_words_stand_out_from_their_ground(visit: Open, some: str, scheme: str) -> None:
    opened = await visit(some, color_scheme=scheme)
    for selector in (
        "h1",
        ".figures dt",
        ".figures .bad b",
        ".meta",
        ".is-failed .status",
        ".is-failed .words",
        ".chip b",
        ".facts i",
        "#made",
        "#count",
        "#plots",
        ".find kbd",
    ):
        assert await opened.page.evaluate(CONTRAST, selector) >= 4.5, selector


async def test_the_page_is_told_to_those_who_do_not_see_it(visit: Open, some: str) -> None:
    opened = await visit(some)
    page = opened.page
    for role in ("banner", "main", "search"):
        await expect(page.get_by_role(role)).to_have_count(1)
    await expect(page.get_by_role("list", name="Videos").get_by_role("listitem")).to_have_count(4)
    await expect(page.get_by_role("button", name="fox")).to_have_count(1)
    for drawing in await page.get_by_role("img").all():
        assert await drawing.get_attribute("aria-label") or await drawing.get_attribute("alt")
    assert await page.locator(".card").first.get_attribute("aria-posinset") == "1"
    assert await page.locator(".card button[tabindex='0']").count() == 1


# -- served


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[ReportServer]:
    async with ReportServer(folder) as server:
        yield server


async def test_a_served_page_plays_and_follows_the_batch(visit: Open, tmp_path: Path) -> None:
    folder = make_batch(tmp_path / "live.batch", few(), ("scene", "Shot name"))
    async with serving(folder) as server:
        opened = await visit(server.url)
        page = opened.page
        await expect(page.locator("#live")).to_have_text("Live: no run is at work")
        await page.click(".card >> nth=0")
        await opened.until("document.querySelector('.viewer video').currentTime > 0.1")
        await page.keyboard.press("Escape")
        with Lock(folder):
            with Ledger.open(folder / "ledger.sqlite") as run, run.database.transaction():
                run.database.execute("UPDATE job SET state = 'archived' WHERE job = 4")
                archive(run, folder, 4, Wanted("train", content=film(shade=60)))
            await expect(page.locator(".card", has_text="train")).to_have_class(
                "card is-archived", timeout=1000 * WAIT_SECONDS
            )
            await expect(page.locator("#live")).to_have_text("Live: a run is at work")
        await expect(page.locator(".figures b").first).to_have_text("3")
        await opened.is_at("fox")
        assert all(url.startswith((server.url, "data:")) for url in opened.requests)


async def test_a_server_that_stops_is_missed(browser: Browser, tmp_path: Path) -> None:
    folder = make_batch(tmp_path / "live.batch", few(), ("scene", "Shot name"))
    context = await browser.new_context()
    page = await context.new_page()
    async with serving(folder) as server:
        await page.goto(server.url)
    await expect(page.locator("#live")).to_have_text("The server has stopped")
    assert await page.locator(".card").count() == 4
    await context.close()


async def test_a_video_on_s3_plays_in_a_served_page(visit: Open, tmp_path: Path, aws: S3Server) -> None:
    aws.client.put_object(Bucket="night", Key="fox.mp4", Body=FOX)
    folder = make_batch(tmp_path / "far.batch", [Wanted("fox", content=FOX, places=("s3://night/fox.mp4",))])
    async with serving(folder) as server:
        opened = await visit(server.url)
        image = opened.page.locator(".card img")
        assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
        await opened.page.click(".card")
        await opened.until("document.querySelector('.viewer video').currentTime > 0.1")
        sha256 = hashlib.sha256(FOX).hexdigest()
        assert (
            await opened.page.evaluate("document.querySelector('.viewer video').src")
            == f"{server.url}video/{sha256}.mp4"
        )
