"""Where a batch stands: looked at, also while it runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchgen.catalog import MICRO
from batchgen.ledger import doubt, money, standing
from batchgen.model import ABANDONED, EMULATOR, State
from batchgen.replica import Look
from batchgen.settings import to_service
from batchgen.summary import Told
from batchgen.videos.missing import missing, sentences
from batchgen.words import GONE_AWAITED, GONE_IN_DOUBT, given_up, many, money_words, with_command


@dataclass(frozen=True, kw_only=True)
class Status(Told):
    """Where a batch stands.

    While a run is at work, the rows that it is asking for are ``submitting``; else nobody will hear the answer, and
    they are in doubt.
    """

    running: bool  # a run is at work
    submitting: int
    in_doubt_gone: int  # rows that are no longer in the manifest, and in doubt
    service: str
    manifest: str
    paid_tasks: int
    paid_usd: float  # what they cost at most
    gone_usd: float  # of it, for rows that the manifest has no longer, or has edited
    unfetched: int  # videos that are paid and made, and not archived
    missing: tuple[str, ...]  # places of archived videos that are no longer there, on this machine

    def __str__(self) -> str:
        """The status for a person."""
        states = ("archived", "rendered", "in_flight", "submitting", "pending", "in_doubt", "expired", "failed")
        lines = [f"{self.batch}: {many(self.rows, 'row')} of {self.manifest}, made with {self.service}"]
        words = {
            "rendered": f"rendered{self.why_rendered}",
            "expired": f"expired: {self.tried_anew}",
        }
        lines += [
            f"  {getattr(self, state)} {words.get(state, state.replace('_', ' '))}"
            for state in states
            if getattr(self, state)
        ]
        lines += [f"    {number} with {code}" for code, number in self.failures.items()]
        lines += [f"  {self.awaited_gone} {GONE_AWAITED}"] if self.awaited_gone else []
        lines += [f"  {self.in_doubt_gone} {GONE_IN_DOUBT}"] if self.in_doubt_gone else []
        gone = f", {money_words(self.gone_usd)} of it for rows since edited or deleted" if self.gone_usd else ""
        price = f" (up to {money_words(self.paid_usd)}{gone})" if self.paid_usd else ""
        how = "asked for (emulator: nothing was paid)" if self.service == EMULATOR else f"paid for{price}"
        lines.append(f"  {many(self.paid_tasks, 'task')} {how}")
        return "\n".join(lines if self.running else [*lines, *self._advice()])

    def _advice(self) -> Iterator[str]:
        """What a person may do: nothing, while a run does it."""
        if self.in_doubt or self.in_doubt_gone:
            what = "  what is in doubt was asked for, and what came of it is not known; to see all that is known"
            yield with_command(what, "resolve", self.batch, *self.kept)
        if gone := self.failures.get(ABANDONED):
            yield f"  {gone} {given_up(self.batch, *self.kept)}"
        if self.first_death:
            videos = many(self.unfetched, "video is", "videos are") + " made and not archived"
            what = f"  {videos}; to fetch what is made before the first link dies, {self.first_death}"
            yield with_command(what, "rescue", self.batch, *self.kept, *to_service(self.service))
        yield from (f"  {words}" for words in sentences(self.batch, self.missing, self.service))


def read_status(batch: Path, looked: Look) -> Status:
    """Where the batch in a folder stands, also while it runs, as the ledger that is looked at tells."""
    with looked.open() as ledger:
        return Status(
            batch=str(batch),
            ledger_to=looked.address,
            service=ledger.fact("service") or "?",
            manifest=ledger.fact("manifest") or "?",
            running=looked.running,
            **_standing(standing.counts(ledger), looked.running),
            in_doubt_gone=doubt.gone(ledger),
            paid_tasks=standing.paid_tasks(ledger),
            paid_usd=money.paid_price(ledger) / MICRO,
            gone_usd=money.gone_price(ledger) / MICRO,
            **standing.told(ledger),
            unfetched=ledger.unfetched()[0],
            missing=tuple(missing(batch, ledger)),
        )


def _standing(counts: dict[State, int], running: bool) -> dict[str, Any]:
    """The counts by name; what is being asked for apart from what is in flight."""
    submitting = counts[State.SUBMITTING] if running else 0
    counts[State.IN_DOUBT] += counts[State.SUBMITTING] - submitting
    counts[State.SUBMITTING] = submitting
    known = Status.fields(counts)
    return known | {"submitting": submitting, "in_flight": known["in_flight"] - submitting}
