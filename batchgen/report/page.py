"""report.html: gathered from the ledger as data first, then printed."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib import resources
from itertools import islice
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.ledger import Ledger
from batchgen.report import head
from batchgen.report.cards import Card, Links, beside, cards, costs, locate
from batchgen.report.head import Figure
from batchgen.report.markup import Node, embed, fill, policy, to_html, to_tree
from batchgen.report.poster import Posters
from batchgen.system.private import replacing
from batchgen.words import with_command

NAME = "report.html"
POSTER_SECONDS = 30.0  # what is missing then is made by the next report; until then the videos show themselves
SCRIPTS = ("text.js", "query.js", "layout.js", "wall.js", "facts.js", "viewer.js", "toolbar.js", "main.js")


@dataclass(frozen=True)
class Page:
    """All that the page shows."""

    title: str
    facts: tuple[tuple[str, str], ...]  # what the batch is: (name, words)
    figures: tuple[Figure, ...]
    drawings: tuple[Node, ...]
    columns: tuple[str, ...]  # the manifest's own
    cards: tuple[Card, ...]
    made_at: float  # Unix seconds
    running: bool  # a run is at work
    is_free: bool  # nothing was paid

    @property
    def head(self) -> Node:
        """What stands above the wall."""
        return head.markup(self.figures, self.drawings)

    def to_data(self) -> dict[str, object]:
        """What the page's script works on."""
        names = [field.name for field in fields(Card)]
        return {
            "madeAt": round(self.made_at, 1),
            "running": self.running,
            "isFree": self.is_free,
            "counts": Counter(card.status for card in self.cards),
            "columns": self.columns,
            "fields": names,
            "rows": [[getattr(card, name) for name in names] for card in self.cards],
        }

    def to_json(self) -> bytes:
        """The same with the head, for a page that is open."""
        data = self.to_data() | {"head": to_tree(self.head)}
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def gather(ledger: Ledger, batch: Path, links: Links, *, running: bool = False, now: float | None = None) -> Page:
    """Read everything from the ledger, as it was at one moment even while a run writes it."""
    now = time.time() if now is None else now
    with _snapshot(ledger):
        spent = costs(ledger)
        shown = tuple(cards(ledger, links, spent, running=running))
        done = head.work(ledger, now)
        return Page(
            title=batch.absolute().name.removesuffix(".batch") or "batch",
            facts=_facts(ledger, shown),
            figures=head.figures(ledger, shown, done, spent),
            drawings=head.drawings(shown, done),
            columns=tuple(ledger.own_columns()),
            cards=shown,
            made_at=now,
            running=running,
            is_free=ledger.is_free,
        )


@contextmanager
def _snapshot(ledger: Ledger) -> Iterator[None]:
    """One state of the file for several queries; a reader holds up no writer (WAL)."""
    ledger.database.execute("BEGIN")
    try:
        yield
    finally:
        ledger.database.execute("COMMIT")


def _facts(ledger: Ledger, shown: Sequence[Card]) -> tuple[tuple[str, str], ...]:
    models = sorted({card.model for card in shown})
    known = {
        "Manifest": Path(ledger.fact("manifest") or "").name,
        "Model": ", ".join(models),
        "Service": (ledger.fact("service") or "").removeprefix("https://"),
        "Videos": ledger.fact("destination") or "",
    }
    return tuple((name, words) for name, words in known.items() if words)


# -- printed


def render(page: Page, *, media: Sequence[str] = (), live: bool = False) -> str:
    """The page as HTML. ``live``: it is served, and asks for news; ``media`` are further origins of its videos."""
    script = "\n".join(_template(name) for name in SCRIPTS)
    style = _template("page.css")
    own = "'self'" if live else "'self' file:"  # opened from disk, 'self' is nothing in Firefox
    rules = policy(
        script, style, pictures=f"{own} data:", videos=" ".join([own, *media]), connect="'self'" if live else "'none'"
    )
    data = page.to_data() | {"live": live}
    parts: Mapping[str, str] = {
        "policy": rules.replace('"', "&quot;"),
        "title": to_html(page.title),
        "facts": "".join(f"<span><i>{to_html(name)}</i> {to_html(words)}</span>" for name, words in page.facts),
        "head": to_html(page.head),
        "data": embed(data),
        "style": style,
        "script": script,
    }
    return fill(_template("page.html"), parts)


def _template(name: str) -> str:
    return resources.files("batchgen.report").joinpath("template", name).read_text(encoding="utf-8")


def sweep(batch: Path) -> None:
    """Remove what a run that was killed left unfinished; no other may be at work."""
    for leftover in (*batch.glob(f".{NAME}.*.part"), *(batch / "posters").glob(".*.part")):
        leftover.unlink(missing_ok=True)


def write(
    ledger: Ledger,
    batch: Path,
    *,
    running: bool = False,
    poster_seconds: float = POSTER_SECONDS,
    most_posters: int | None = None,
) -> Path:
    """Write the batch's report.html whole, or leave the one that is there; returns its path.

    Posters of new videos on this machine are made first, for at most ``poster_seconds``, at most ``most_posters``.
    Raises :class:`UsageError` where nothing can be written.
    """
    path = batch / NAME
    if not os.access(batch, os.W_OK):
        what = f"{path} cannot be written: the folder, or its disk, is read-only; to see the page all the same"
        raise UsageError(with_command(what, "report", str(batch), "--serve"))
    posters = Posters(batch / "posters")
    posters.make_all(islice(_without_poster(ledger, batch, posters), most_posters), poster_seconds)
    page = gather(ledger, batch, beside(batch, posters), running=running)
    with replacing(path, shared=True, encoding="utf-8", errors="replace") as file:
        file.write(render(page))
    return path


def _without_poster(ledger: Ledger, batch: Path, posters: Posters) -> Iterator[tuple[str, Path]]:
    """The first part of each video on this machine that has no poster yet, in the manifest's order."""
    found = ledger.database.execute(
        "SELECT lower(hex(sha256)), place FROM row JOIN video USING (row) WHERE position IS NOT NULL AND part = 0 "
        "ORDER BY position"
    )
    for sha256, place in found:
        if not posters.find(sha256) and (path := locate(place, batch)):
            yield sha256, path
