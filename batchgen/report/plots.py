"""The plots above the wall: small SVG drawings, coloured by the page's style, each with a sentence as well."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import quantiles

from batchgen.report.markup import Node, node
from batchgen.report.sittings import Sittings, Span, most_at_once, per_minute
from batchgen.words import amount, many, seconds_words

WIDTH, HEIGHT = 320.0, 132.0
TOP, BASE = 16.0, 112.0  # of the drawing; below it the axis
LETTER = 6.6  # the width of one in a label of the axis, at most
GROUPS = 4
STRIP = 33.0  # the height of a kind of video
CAUSES = 5


@dataclass(frozen=True)
class Cause:
    """Why rows failed."""

    code: str
    rows: int
    find: str  # what to search for to see them
    words: str = ""  # the service's own, of one of them


def slots(work: Sequence[Span], sittings: Sittings) -> Node:
    """Tasks in flight, over time."""
    bins = sittings.bins(160)
    heights = most_at_once(work, bins)
    title = f"at most {amount(max(heights))}"
    return _figure("Slots in use", title, _over_time(bins, heights, sittings, f"Tasks in flight over time, {title}."))


def pace(moments: Iterable[float], sittings: Sittings) -> Node:
    """Videos archived a minute, over time."""
    bins = sittings.bins(min(48, max(1, round(sittings.seconds))))  # none under a second
    rates = per_minute(moments, bins)
    title = f"at most {amount(max(rates))}"
    return _figure("Videos a minute", title, _over_time(bins, rates, sittings, f"Videos a minute over time, {title}."))


def generation(times: dict[str, list[float]]) -> Node:
    """How long the service took, in seconds, for each kind of video."""
    groups = sorted(((name, sorted(values)) for name, values in times.items() if values), key=lambda group: group[0])
    if not groups:
        return _figure("Generation time", "", node("p", "No video has been generated yet.", class_="none"))
    limit = max(values[-1] for _, values in groups) or 1.0
    strips = [child for row, group in enumerate(groups[:GROUPS]) for child in _strip(row, *group, limit)]
    middle = "; ".join(f"{name}: median {seconds_words(_quartiles(values)[1])}" for name, values in groups)
    drawing = _svg(f"Generation time by resolution. {middle}.", *strips, height=min(HEIGHT, len(groups) * STRIP))
    return _figure("Generation time", f"up to {seconds_words(limit)}", drawing)


def failures(causes: Sequence[Cause]) -> Node:
    """Why rows have no video, the most frequent cause first; each leads to its rows. There must be one."""
    most = max(cause.rows for cause in causes)
    items = [_cause(cause, most) for cause in causes[:CAUSES]]
    if rest := causes[CAUSES:]:
        others = "one other cause" if len(rest) == 1 else f"{len(rest)} other causes"
        text = f"and {amount(sum(cause.rows for cause in rest))} for {others}"
        items.append(node("li", text, class_="none"))
    return _figure("Failures by cause", "", node("ul", *items, class_="causes"))


# -- their parts


def _figure(title: str, fact: str, drawing: Node) -> Node:
    caption = node("figcaption", node("strong", title), " ", node("span", fact))
    return node("figure", caption, drawing, class_="plot")


def _svg(sentence: str, *children: Node, height: float = HEIGHT) -> Node:
    return node("svg", *children, viewBox=f"0 0 {WIDTH:.0f} {height:.0f}", role="img", aria_label=sentence)


def _over_time(bins: Sequence[Span], heights: Sequence[float], sittings: Sittings, sentence: str) -> Node:
    top = nice(max(heights))
    steps = [
        (
            sittings.place(start) * WIDTH,
            min(sittings.place(end - 1e-6) * WIDTH, WIDTH),
            BASE - (BASE - TOP) * height / top,
        )
        for (start, end), height in zip(bins, heights, strict=True)
    ]
    area = "".join(f"M{left:.1f} {BASE:.0f}V{level:.1f}H{right:.1f}V{BASE:.0f}z" for left, right, level in steps)
    return _svg(
        sentence,
        node("path", d=f"M0 {TOP:.0f}H{WIDTH:.0f}M0 {(TOP + BASE) / 2:.0f}H{WIDTH:.0f}", class_="rule"),
        node("path", d=area, class_="area"),
        node("path", d=f"M0 {BASE:.0f}H{WIDTH:.0f}", class_="base"),
        node("text", amount(top), x=0, y=TOP - 4, class_="label"),
        *_times(sittings),
    )


def nice(value: float) -> float:
    """The next number above that a person would write on an axis."""
    size = 1.0
    while size * 10 < value:
        size *= 10
    return next(size * step for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if size * step >= value)


def _times(sittings: Sittings) -> Iterable[Node]:
    """A label where each sitting begins and where the last ends, as far as there is room."""
    end = sittings.spans[-1][1]
    moments = [start for start, _ in sittings.spans]
    form = _form(moments[0], end)
    width = LETTER * (len(_clock(end, form)) + 1)  # with a space behind it
    free = 0.0
    for moment in moments:
        left = sittings.place(moment) * WIDTH
        if free <= left <= WIDTH - 2 * width:
            free = left + width
            yield node("text", _clock(moment, form), x=left, y=BASE + 14, class_="label")
    yield node("text", _clock(end, form), x=WIDTH, y=BASE + 14, class_="label end")


def _form(start: float, end: float) -> str:
    if end - start < 180:
        return "%H:%M:%S"
    return "%d %b %H:%M" if end - start > 86400 else "%H:%M"


def _clock(moment: float, form: str) -> str:
    return datetime.fromtimestamp(moment).astimezone().strftime(form)


def _strip(row: int, name: str, values: list[float], limit: float) -> Iterable[Node]:
    """One line: all of the values as a thin line, the middle half as a bar, the median as a tick."""
    y = 10.0 + row * STRIP
    low, middle, high = (value / limit * WIDTH for value in _quartiles(values))
    first, last = values[0] / limit * WIDTH, values[-1] / limit * WIDTH
    yield node("text", name, x=0, y=y, class_="label strong")
    words = f"{many(amount(len(values)), 'video')}, median {seconds_words(_quartiles(values)[1])}"
    yield node("text", words, x=WIDTH, y=y, class_="label end")
    yield node("path", d=f"M{first:.1f} {y + 12:.1f}H{max(last, first + 1):.1f}", class_="base")
    yield node("rect", x=low, y=y + 8, width=max(high - low, 2.0), height=8, class_="area")
    yield node("path", d=f"M{middle:.1f} {y + 6:.1f}v12", class_="tick")


def _quartiles(values: Sequence[float]) -> Sequence[float]:
    return quantiles(values, n=4, method="inclusive") if len(values) > 1 else list(values) * 3


def _cause(cause: Cause, most: int) -> Node:
    bar = node("rect", x=0, y=0, width=max(WIDTH * cause.rows / most, 2.0), height=4, class_="bad")
    button = node(
        "button",
        node("span", cause.code, class_="code"),
        node("span", amount(cause.rows), class_="rows"),
        type="button",
        data_find=cause.find,
        title=cause.words or None,
    )
    drawn = node("svg", bar, viewBox=f"0 0 {WIDTH:.0f} 4", preserveAspectRatio="none", aria_hidden="true")
    return node("li", button, drawn)
