"""What a person should know of a manifest that was taken in: what changed, and what would cost."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from shlex import quote

from batchgen.ledger import Intake, Ledger
from batchgen.others.paid_beside import warn_of_paid
from batchgen.settings import Settings
from batchgen.sheet import naming
from batchgen.sheet.intake import Taken
from batchgen.words import first_of, many

MOST_NAMED = 3  # images that are gone, of any number


def describe(intake: Intake, manifest: str, gone_images: Collection[str] = ()) -> Iterator[str]:
    """What a person should know of a manifest that was taken in."""
    for problem in intake.problems:
        yield str(problem) if problem.place else f"{manifest}: {problem}"
    if intake.edited:
        yield f"{many(intake.edited, 'row was edited: it is a new job', 'rows were edited: they are new jobs')}"
    if intake.gone:
        kept = ""
        if intake.kept_videos:
            of_them = many(intake.kept_videos, "of them keeps its video", "of them keep their videos")
            kept = "; its video is kept" if intake.gone == 1 else f"; {of_them}"
        rows = many(intake.gone, "row as it was before is", "rows as they were before are")
        yield f"{rows} no longer in the manifest{kept}"
    if gone_images:
        one, several = "image is no longer there, and is taken", "images are no longer there, and are taken"
        yield f"{many(len(gone_images), one, several)} as before: {first_of(gone_images, MOST_NAMED)}"


def warnings(taken: Taken, asked: Settings, settings: Settings, ledger: Ledger) -> Iterator[str]:
    """What a person must know of a manifest that was taken in and is not remembered yet: what would cost later."""
    intake, known = taken.intake, ledger.fact("manifest")
    if taken.is_partial and intake.edited and known:
        rows, sheet = many(intake.edited, "row was", "rows were"), Path(known).name
        they = "it" if intake.edited == 1 else "them"
        yield f"{rows} mended here: mend {they} in {sheet} too, or its next run goes back to {they} as before"
    if not taken.is_partial and intake.back and ledger.fact("mended"):
        rows = many(intake.back, "row is", "rows are")
        yield f"{rows} again as before failures.csv was mended: mend the sheet"
    former = ledger.fact("name") or naming.Template(None).text
    if known and asked.name and asked.name != former and intake.new < intake.rows:
        one, several = "row keeps the name that its file has", "rows keep the names that their files have"
        yield f"--name {asked.name} holds for new rows: {many(intake.rows - intake.new, one, several)}"
    if intake.renamed:
        one = "new row asks for the same as one that is gone, under another id, and is paid for as a new one"
        several = "new rows ask for the same as rows that are gone, under other ids, and are paid for as new ones"
        yield (
            f"{many(intake.renamed, one, several)}; if that is not meant, give "
            f"{'it its former id' if intake.renamed == 1 else 'them their former ids'} again (or none), "
            "and nothing is paid for twice"
        )
    if known is None and intake.new == intake.rows:
        yield from warn_of_paid(asked, settings, ledger, intake.rows)
    yield from _of_what_is_set(taken, asked, settings, ledger)


def _of_what_is_set(taken: Taken, asked: Settings, settings: Settings, ledger: Ledger) -> Iterator[str]:
    intake, known = taken.intake, ledger.fact("manifest")
    before = tuple(json.loads(ledger.fact("overrides") or "[]"))
    changed = min(intake.new, intake.gone)
    if known and before and asked.overrides is None and not (settings.overrides or taken.is_partial) and changed:
        rows = many(changed, "row that was known is a new one", "rows that were known are new ones")
        yield (
            f"--set {' '.join(map(quote, before))} was said of {Path(known).name}, and does not hold for "
            f"{Path(settings.manifest or '').name} unless it is said again: {rows}, to be paid for"
        )
    if asked.overrides and asked.selection and settings.overrides != before and changed:
        rows = many(changed, "row that was known is a new one", "rows that were known are new ones")
        back = " ".join(f"--set {quote(word)}" for word in before) or '--set ""'
        yield (
            f"--set holds for every row, not for the chosen alone, and is remembered: {rows}, which the next run pays "
            f"for; {back} takes it back"
        )
