"""What stands above the wall: the figures that a person asks for, and the plots."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from batchgen.catalog import MICRO
from batchgen.ledger import Ledger, money, standing
from batchgen.model import State
from batchgen.report import plots
from batchgen.report.cards import Card
from batchgen.report.markup import Node, node
from batchgen.report.plots import Cause
from batchgen.report.sittings import Sittings, Span, most_at_once
from batchgen.words import amount, many, money_words, seconds_words, share, size_words

QUOTE = '"'  # which no search can hold
CLOCKS_SECONDS = 86400.0  # by which the service's clock may be ahead
UNSEEN_SECONDS = 300.0  # that a task is taken to run while none has ended yet
WAITING = (State.PENDING, State.SUBMITTING, State.IN_FLIGHT, State.RENDERED)


@dataclass(frozen=True)
class Figure:
    """A number with its name, and a word on it."""

    label: str
    value: str
    note: str = ""
    tone: str = ""  # "bad": it should worry


@dataclass(frozen=True)
class Work:
    """When what was done, over all runs of the batch."""

    tasks: tuple[Span, ...]  # each from its acceptance to its end
    archived: tuple[float, ...]
    runs: tuple[float, ...]  # when each that did any of it began; empty: an old ledger does not know

    @property
    def sittings(self) -> Sittings | None:
        """The spans in which anything was done."""
        return Sittings.of([*self.tasks, *((moment, moment) for moment in self.archived)], self.runs)


def work(ledger: Ledger, now: float) -> Work:
    """Read from the ledger, rows that are no longer in the manifest among it."""
    tasks = ledger.database.execute(
        "SELECT submitted_at, completed_at, generation_ms, state FROM job WHERE submitted_at IS NOT NULL"
    )
    videos = ledger.database.execute("SELECT archived_at FROM video WHERE part = 0 ORDER BY archived_at")
    archived = tuple(row[0] for row in videos)
    ended: list[Span] = []
    open_since: list[float] = []
    for start, end, generation_ms, state in tasks:
        if span := _span(start, end, generation_ms, now):
            ended.append(span)
        elif state == State.IN_FLIGHT:
            open_since.append(start)
    # Of a task whose end nobody saw, it is not known how long it ran: not for days, after a run that was cut off.
    usual = max((end - start for start, end in ended), default=UNSEEN_SECONDS)
    running = [(start, max(start, min(now, start + usual))) for start in open_since]
    began = [start for start, _ in ended] + open_since
    return Work((*ended, *running), archived, _runs(money.runs(ledger), (*began, *archived)))


def _runs(begun: Sequence[float], done: Iterable[float]) -> tuple[float, ...]:
    """When those runs began in which something was done; ``begun``: when each run did, in order."""
    busy = {bisect_right(begun, moment) - 1 for moment in done}
    return tuple(moment for place, moment in enumerate(begun) if place in busy)


def _span(start: float, end: float | None, generation_ms: int | None, now: float) -> Span | None:
    """A task's time at the service. Its clock is not ours: an end that cannot be is not believed."""
    if end is not None and start <= end < now + CLOCKS_SECONDS:
        return start, end
    return None if generation_ms is None else (start, start + generation_ms / 1000)


def figures(ledger: Ledger, cards: Sequence[Card], done: Work, spent: Mapping[int, float | None]) -> tuple[Figure, ...]:
    """The figures, in the order in which they are asked for; ``spent`` is what each job cost."""
    counts = Counter(card.status for card in cards)
    rows = len(cards)
    archived = counts[State.ARCHIVED]
    return (
        Figure("Done", amount(archived), f"of {many(amount(rows), 'row')}, {share(archived, rows)}"),
        *_troubles(counts, cards, None if ledger.is_free else money.doubtful_price(ledger) / MICRO),
        *_open(counts),
        _cost(ledger, list(spent.values())),
        *_speed(done),
        *_size(standing.archived_bytes(ledger), len(done.archived)),
    )


def _troubles(counts: Counter[str], cards: Sequence[Card], doubtful: float | None) -> Iterable[Figure]:
    """``doubtful``: what was perhaps paid in vain, in US dollars; None: nothing is paid."""
    causes = causes_of(card for card in cards if card.status == State.FAILED)
    first = f"{amount(causes[0].rows)}\u00a0×\u00a0{causes[0].code}".replace("_", "_\u200b") if causes else ""
    yield Figure("Failed", amount(counts[State.FAILED]), first, "bad" if counts[State.FAILED] else "")
    if counts[State.EXPIRED]:
        yield Figure(
            "Expired",
            amount(counts[State.EXPIRED]),
            "the link died" if doubtful is None else "paid, and the link died",
            "bad",
        )
    if counts[State.IN_DOUBT]:
        price = f": {money_words(doubtful)}" if doubtful else ""
        note = "the answer was lost" if doubtful is None else f"perhaps paid{price}"
        yield Figure("In doubt", amount(counts[State.IN_DOUBT]), note, "bad")


def _open(counts: Counter[str]) -> Iterable[Figure]:
    if waiting := sum(counts[state] for state in WAITING):
        generating = counts[State.IN_FLIGHT] + counts[State.SUBMITTING]
        facts = [(generating, "generating"), (counts[State.RENDERED], "to fetch")]
        words = ", ".join(f"{amount(number)} {word}" for number, word in facts if number)
        yield Figure("To do", amount(waiting), words or "not begun")


def _cost(ledger: Ledger, spent: Sequence[float | None]) -> Figure:
    tasks = standing.paid_tasks(ledger)
    if ledger.is_free:
        return Figure("Tasks", amount(tasks), "emulator: nothing was paid")
    known = [each for each in spent if each is not None]
    if len(known) < len(spent) or not tasks:
        return Figure("Paid tasks", amount(tasks), "price not known" if tasks else "")
    return Figure("Spent", money_words(sum(known)), f"{many(amount(tasks), 'task')} at list price")


def _speed(done: Work) -> Iterable[Figure]:
    sittings = done.sittings
    if sittings is None:
        return
    number = len(done.runs)
    note = "in one run" if number == 1 else f"in {number} runs" if number else ""
    yield Figure("Time", seconds_words(sittings.seconds), note)
    most = max(most_at_once(done.tasks, sittings.bins(1)), default=0)
    rate = len(done.archived) * 60 / sittings.seconds
    yield Figure("Throughput", f"{amount(rate)} / min", f"at most {amount(most)} at once")


def _size(count: int, videos: int) -> Iterable[Figure]:
    if videos:
        yield Figure("Size", size_words(count), f"{size_words(count / videos)} a video")


def causes_of(cards: Iterable[Card]) -> list[Cause]:
    """Why rows have no video and will get none, the most frequent cause first."""
    counts: Counter[str] = Counter()
    words: dict[str, str] = {}
    for card in cards:
        if code := _cause(card):
            counts[code] += 1
            words.setdefault(code, card.fail_message or "")
    return [Cause(code, rows, f'cause:"{code.replace(QUOTE, "")}"', words[code]) for code, rows in counts.most_common()]


def _cause(card: Card) -> str | None:
    """As the page's script names it, too (``causeOf``)."""
    if card.status == State.FAILED:
        return card.fail_code or "without a code"
    return {State.EXPIRED.value: "link expired", State.IN_DOUBT.value: "in doubt"}.get(card.status)


def drawings(cards: Sequence[Card], done: Work) -> tuple[Node, ...]:
    """The plots."""
    sittings = done.sittings
    over_time = (plots.slots(done.tasks, sittings), plots.pace(done.archived, sittings)) if sittings else ()
    causes = causes_of(cards)
    return (*over_time, plots.generation(_by_kind(cards)), *([plots.failures(causes)] if causes else ()))


def _by_kind(cards: Sequence[Card]) -> dict[str, list[float]]:
    """Generation times by resolution and length; by resolution alone if that would be too many."""
    kinds = {(card.resolution, card.duration) for card in cards if card.generation is not None}
    fine = len(kinds) <= plots.GROUPS
    found: dict[str, dict[str, float]] = {}
    for card in cards:
        if card.generation is not None:
            length = f" · {card.duration} s" if fine and card.duration else ""
            name = f"{card.resolution or 'default'}{length}"
            found.setdefault(name, {})[card.task_id or card.id] = card.generation
    return {name: list(times.values()) for name, times in found.items()}


def markup(figures: Iterable[Figure], drawings: Iterable[Node]) -> Node:
    """The head as elements."""
    numbers = node("dl", *map(_figure, figures), class_="figures")
    return node("div", numbers, node("div", *drawings, class_="plots"), class_="head")


def _figure(figure: Figure) -> Node:
    value = node("dd", node("b", figure.value), node("span", figure.note), class_=figure.tone or None)
    return node("div", node("dt", figure.label), value)
