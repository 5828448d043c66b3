"""How a run ended: for a program as JSON, for a person as what happened and what to do next."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from batchgen.errors import LimitReachedError
from batchgen.model import ABANDONED, State
from batchgen.words import (
    GONE_AWAITED,
    first_of,
    given_up,
    in_one_line,
    many,
    money_words,
    with_command,
)

STATES = ("archived", "failed", "expired", "in_doubt", "in_flight", "rendered", "pending")
MOST_CAUSES = 5  # that are named
_AGAIN = "run the same command again: what is paid for is fetched, and nothing is paid for twice"
_AFTER_STOP = {
    1: f"When that is mended, {_AGAIN}",
    2: f"When that is mended, {_AGAIN}",
    3: f"When the key or the credits are in order, {_AGAIN}",
    4: "The next run goes on from here",
}
_FILES = {"results": "results.csv", "log": "run.log"}


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many rows of the manifest stand where; what further is told of them follows in each kind of record."""

    rows: int
    archived: int
    failed: int
    expired: int
    in_doubt: int
    pending: int
    in_flight: int
    rendered: int

    @staticmethod
    def fields(counts: Mapping[State, int]) -> dict[str, Any]:
        """The counts of the ledger under these names; what is being asked for is as good as in flight."""
        known = {state: counts[State(state)] for state in STATES}
        known["in_flight"] += counts[State.SUBMITTING]
        return {"rows": sum(counts.values()), **known}

    def to_json(self) -> str:
        """All of it as one line."""
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class Told(Counts):
    """What is told of a batch alike when a run has ended and when somebody looks. Counts are rows of the manifest."""

    batch: str
    ledger_to: str | None = None  # where the ledger is kept too: the batch's folder need not be there
    awaited_gone: int = 0  # tasks paid for and not archived, whose rows were edited or are gone
    reused: int  # rows that need no task of their own
    bytes: int  # of all archived videos
    failures: dict[str, int] = field(default_factory=dict)  # fail code -> rows
    fetch_failures: dict[str, int] = field(default_factory=dict)  # the commonest reasons -> rows made, not fetched
    expired_until: str | None = None  # when the first of the expired that are tried anew is given up (ISO 8601, UTC)
    first_death: str | None = None  # when the first link of a video that is not archived dies (ISO 8601, UTC)

    @property
    def kept(self) -> tuple[str, ...]:
        """The words by which a command finds the ledger where the batch's folder is not there."""
        return ("--ledger-to", self.ledger_to) if self.ledger_to else ()

    @property
    def why_rendered(self) -> str:
        """The commonest cause, and how many of the rows made and not fetched do not have it; empty: none is known."""
        if not self.fetch_failures:
            return ""
        cause, number = next(iter(self.fetch_failures.items()))
        others = many(self.rendered - number, "for another reason", "for other reasons")
        return f" ({cause}{f'; {others}' if number < self.rendered else ''})"

    @property
    def tried_anew(self) -> str:
        """What there is to say of videos whose links died."""
        if self.expired_until is None:
            return "15 days are over"
        return f"each run tries it anew until its 15 days are over (the first: {self.expired_until})"


@dataclass(frozen=True, kw_only=True)
class Summary(Told):
    """How a run ended."""

    selected: int  # rows that this run was asked for; all, unless a person chose
    submitted: int  # tasks that this run asked for, and the service is known to have accepted
    seconds: float
    stopped: str | None
    exit: int
    selected_pending: int = 0  # rows that wait, of those that this run was asked for
    spent_usd: float = 0.0  # what this run's tasks cost at most
    doubtful_usd: float = 0.0  # what of that is for tasks whose answer was lost
    failed_before: int = 0  # rows of ``failed`` that an earlier run told of
    emulated: bool = False  # made with the emulator: nothing was paid
    base_url: str | None = None  # of the service, where it is not the usual one: commands have to name it

    def counts(self) -> str:
        """The rows by state: ``12 archived, 1 in doubt``."""
        known = [(getattr(self, state), state.replace("_", " ")) for state in STATES]
        return ", ".join(f"{number} {state}" for number, state in known if number) or "none"

    def paid(self) -> str:
        """What this run paid for."""
        doubtful = f"perhaps {money_words(self.doubtful_usd)} for lost answers" if self.doubtful_usd else ""
        known = round(self.spent_usd - self.doubtful_usd, 6)
        prices = [f"up to {money_words(known)}"] * (known > 0) + [doubtful] * bool(doubtful)
        price = f" ({', and '.join(prices)})" if prices else ""
        how = "asked for by this run (emulator: nothing was paid)" if self.emulated else f"paid for by this run{price}"
        return f"{many(self.submitted, 'task')} {how}"

    def advice(self) -> list[str]:
        """What is not as it was wanted, and what to do; empty after a success."""
        if self.exit == 0:
            return []
        folder = str(self._folder)
        abandoned = self.failures.get(ABANDONED, 0)
        numbers = {state: getattr(self, state) for state in STATES} | {
            "failed": self.failed - abandoned,
            "given_up": abandoned,
            "pending": self.selected_pending,
        }
        dies = f"; the first link dies {self.first_death}" if self.first_death else ""
        failures = quote(f"{folder}/failures.csv")
        known = {
            "failed": f"failed ({self._causes()}): {failures} has each one's reason; mend or delete "
            "the rows in the sheet, or mend them there and run that file (then in the sheet too: its next run goes by "
            "what it says); or pay for them as they are once more with --retry-failed",
            "given_up": given_up(folder, *self.kept),
            "expired": f"expired: made{'' if self.emulated else ' and paid for'}, but the link died before the video "
            f"was here ({failures} has each one's reason); {self.tried_anew}; --retry-failed pays once "
            "more if it must",
            "in_doubt": with_command(
                f"in doubt: {'asked for' if self.emulated else 'perhaps paid for'}, and what came of it is not known; "
                "it is held; to see all that is known",
                *("resolve", folder, *self.kept),
            ),
            "rendered": with_command(
                f"made and not fetched{self.why_rendered}{dies}; tried again by the next run, "
                "or, without asking for anything",
                *("rescue", folder, *self.kept, *(("--base-url", self.base_url) if self.base_url else ())),
            ),
            "in_flight": f"in flight: {'' if self.emulated else 'paid for, and '}the next run picks it up",
            "pending": "pending: not asked for yet; the next run asks for "
            f"{'it' if self.selected_pending == 1 else 'them'}",
        }
        states = [f"{numbers[state]} {words}" for state, words in known.items() if numbers[state]]
        gone = [f"{self.awaited_gone} {GONE_AWAITED}: the next run goes on with that"] if self.awaited_gone else []
        return [*self._stop(), *states, *gone]

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody should look: not where a limit of the user's ended a run that got on, and nothing is amiss.

        What failed in an earlier run was told then.
        """
        is_news = self.failed > self.failed_before
        if self.exit == LimitReachedError.exit_code:
            return bool(is_news or self.expired or self.in_doubt or self.fetch_failures) or not self.submitted
        unsettled = self.expired + self.in_doubt + self.in_flight + self.rendered + self.selected_pending
        has_only_failed = self.failed and not (self.stopped or unsettled or self.awaited_gone)
        return self.exit != 0 and bool(is_news or not has_only_failed)

    def _stop(self) -> list[str]:
        if not self.stopped:
            return []
        reason = self.stopped.rstrip(".")
        reason = reason if reason.startswith("stopped ") else f"stopped: {reason}"
        if " again" in reason:  # it says itself what to do
            return [reason]
        return [f"{reason}. {_AFTER_STOP.get(self.exit, _AFTER_STOP[4])}"]

    def _causes(self) -> str:
        causes = {code: rows for code, rows in self.failures.items() if code != ABANDONED}
        named = [f"{code if code != '?' else 'without a code'} {rows}" for code, rows in causes.items()]
        return first_of(named, MOST_CAUSES) + self._news()

    def _news(self) -> str:
        """How many of the failed rows are news: a night that is told what an earlier one was told needs nobody."""
        if not self.failed_before:
            return ""
        return f"; {max(0, self.failed - self.failed_before) or 'none'} of them in this run"

    def __str__(self) -> str:
        """All of it for somebody who was not there, without a line break."""
        sentences = [f"{self._folder}: {many(self.rows, 'row')}, {self.counts()}", self.paid()]
        sentences += [words[0].upper() + words[1:] for words in self.advice()]
        files = ((name, self._folder / file) for name, file in _FILES.items())
        sentences += [f"{name.capitalize()}: {file}" for name, file in files if file.exists()]
        return "".join(f"{in_one_line(words)}. " for words in sentences).rstrip()

    @property
    def _folder(self) -> Path:
        return Path(self.batch).absolute()
