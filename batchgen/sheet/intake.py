"""The manifest into the ledger: which rules name its rows, which are selected, and what a person should know of it."""

import io
import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from itertools import chain
from pathlib import Path
from shlex import quote

from batchgen import __version__
from batchgen.errors import ManifestError, UsageError
from batchgen.folder.memory import is_remembered, is_same, remember
from batchgen.images.files import Files
from batchgen.ledger import Intake, Ledger, take_in
from batchgen.ledger.expected import has_asked_with
from batchgen.ledger.images import note_lines
from batchgen.ledger.selected import present, select
from batchgen.ledger.stage import Naming
from batchgen.manifest import Manifest, open_manifest
from batchgen.manifest.overrides import parse
from batchgen.manifest.rules import KNOWN
from batchgen.manifest.selection import Picker, Selection
from batchgen.manifest.standard_input import spooled
from batchgen.model import EMULATOR, Problem, Row
from batchgen.others.paid_beside import warn_of_paid
from batchgen.report import written
from batchgen.rows import Rows
from batchgen.settings import STANDARD_INPUT, Settings, batch_folder, run_again
from batchgen.sheet import naming
from batchgen.words import first_of, many, with_command

_SLIP_AWAY = frozenset(KNOWN) - {"id", "prompt", "mode"}  # a row is the same without an id or a mode
MOST_NAMED = 3  # images that are gone, of any number


@dataclass(frozen=True)
class Taken:
    """A manifest that was taken in."""

    intake: Intake
    columns: tuple[str, ...]  # its own
    named: tuple[str, ...]  # the parameters that its header names
    is_partial: bool  # it is a batch's failures.csv, of some of the rows
    images: Files  # that it names


def take_in_manifest(settings: Settings, ledger: Ledger, *, to_look_at: bool = False) -> Taken:
    """Bring the manifest into the ledger; ``to_look_at``: into one that nobody keeps.

    Raises :class:`ManifestError` with every problem, if one of them is fatal; then the ledger is as it was.
    """
    assert settings.manifest
    assert settings.model
    is_pretended = EMULATOR in (settings.service, ledger.fact("service"))
    may_upload = settings.images_to is not None or is_pretended
    images = Files(settings.image_folder or Path.cwd(), may_upload=may_upload, before=ledger.image_names())
    template = naming.Template(settings.name)
    overrides = parse(settings.overrides or (), model=settings.model)
    manifest = open_manifest(
        settings.manifest,
        model=settings.model,
        encoding=settings.encoding,
        sheet=settings.sheet,
        overrides=overrides,
        image_of=images.refer,
    )
    rules = Naming(naming.content_id, template.names, naming.fold, naming.apart)
    checked = _checked(manifest, template)
    rows = _noted(checked, ledger) if settings.check_images else checked
    is_another = not manifest.is_partial and _is_another(settings, ledger)
    intake = take_in(
        ledger,
        chain(_renamed(manifest, overrides, settings, ledger), rows),
        rules,
        is_partial=manifest.is_partial,
        must_be_known=is_another,
        to_look_at=to_look_at,
    )
    if intake.is_strange:
        owner = Path(ledger.fact("manifest") or "").name
        raise UsageError(
            f"{settings.batch} belongs to {owner}, and none of its rows is in {settings.manifest.name}; "
            "name another folder with --batch"
        )
    if settings.place:
        intake = replace(intake, problems=tuple(map(settings.place, intake.problems)))
    if not intake.is_usable:
        raise ManifestError("" if settings.place else str(settings.manifest), intake.problems)
    return Taken(intake, tuple(manifest.columns), tuple(manifest.named or ()), manifest.is_partial, images)


def _is_another(settings: Settings, ledger: Ledger) -> bool:
    """Whether the manifest is another than the batch's, and shares the folder because of its name alone."""
    assert settings.manifest
    known, folder = ledger.fact("manifest"), settings.batch.absolute()
    if not known or settings.manifest == STANDARD_INPUT or settings.manifest.parent == folder:
        return False
    is_known = settings.manifest.name == Path(known).name or settings.manifest.resolve() == Path(known).resolve()
    return not is_known and folder == batch_folder(settings.manifest).absolute()


def _renamed(manifest: Manifest, given: Collection[str], settings: Settings, ledger: Ledger) -> Iterator[Problem]:
    """Columns that were in the sheet, and are not: without what they said, every row would be new, and paid for again.

    ``given`` are the parameters that ``--set`` gives.
    """
    assert settings.manifest
    if manifest.named is None or not is_remembered(settings.manifest, settings.batch, ledger):
        return
    present = {_parameter(name) for name in (*manifest.named, *given)}
    for name in json.loads(ledger.fact("parameters") or "[]"):
        parameter = _parameter(name)
        if parameter in present or parameter not in _SLIP_AWAY or not has_asked_with(ledger, parameter):
            continue
        yield Problem(
            None,
            None,
            f"no column is called {name} any more, and its rows would be paid for again without it; call the column so "
            f"again, or, if it is to go, say --set {name}=",
        )


def _parameter(name: str) -> str:
    """What a request calls that which a column, or ``--set``, calls ``name``."""
    return "seed" if name == "seeds" else name


def _checked(manifest: Manifest, template: naming.Template) -> Iterator[Rows | Row | Problem]:
    """The manifest; once its columns are known, ``--name`` is held to them."""
    yield from manifest
    if lack := template.lack(manifest.columns):
        yield Problem(None, None, lack)


def _noted(manifest: Iterable[Rows | Row | Problem], ledger: Ledger) -> Iterator[Rows | Row | Problem]:
    """The manifest; where its links stand is noted as they pass."""
    for item in manifest:
        if isinstance(item, Row):  # what comes together has no links
            note_lines(ledger, item)
        yield item


def take_in_as_asked(
    asked: Settings, settings: Settings, ledger: Ledger, say: Callable[[str], None], warn: Callable[[str], None]
) -> Files:
    """Take the manifest in, remember it, and say what a person should know; ``asked``: without the batch's memory.

    ``warn`` takes what a person must know even if all goes well. Returns the images that the manifest names.
    """
    if settings.manifest is None:
        raise UsageError(f"{settings.batch} does not remember a manifest; use batchgen run MANIFEST")
    no_images = Files(Path.cwd(), may_upload=False)
    if asked.manifest is None and asked.overrides is None and ledger.fact("mended"):
        what = "the rows are continued as failures.csv has them; to read the sheet again"
        say(with_command(what, *run_again(settings.manifest, settings.batch, settings.service)))
        return no_images
    if _is_gone(settings, ledger):
        if asked.overrides:
            raise UsageError(f"the manifest {settings.manifest} is gone, so --set cannot change what its rows say")
        warn(f"the manifest {settings.manifest} is gone; its rows are continued as they were")
        return no_images
    if asked.manifest and asked.overrides is None and settings.overrides:
        words = " ".join(settings.overrides)
        say(f'as in the run before, --set {words} holds for every row; --set "" ends it')
    with manifest_as_file(settings, settings.batch) as settings:
        mark, held = _mark(settings), _held(settings)
        if mark and mark == ledger.fact("taken"):
            remember(settings, ledger)
            return no_images
        taken = take_in_manifest(settings, ledger)
        if held:
            written.note_held(ledger, held)
    for sentence in describe(taken.intake, str(settings.manifest), taken.images.gone):
        say(sentence)
    for sentence in warnings(taken, asked, settings, ledger):
        warn(sentence)
    _remember(taken, mark, settings, ledger)
    return taken.images


def _remember(taken: Taken, mark: str, settings: Settings, ledger: Ledger) -> None:
    """Keep what later runs, and who looks at the batch, have to know of the manifest; ``mark``: see :func:`_mark`."""
    known = ledger.own_columns() if taken.is_partial else []
    columns = [*known, *(name for name in taken.columns if name not in known)]
    names = taken.images.names()
    now = set(names.values())
    names = {image: name for image, name in ledger.image_names().items() if name not in now} | names
    more = {} if taken.is_partial else {"parameters": json.dumps(taken.named)}
    is_plain = not (taken.is_partial or taken.intake.problems or ledger.has_signed())
    remember(
        settings,
        ledger,
        is_partial=taken.is_partial,
        columns=json.dumps(columns),
        pictures=json.dumps(names),  # the images: so named in older ledgers
        mended="1" if taken.is_partial else "",
        taken=mark if is_plain else "",
        **more,
    )


def _is_gone(settings: Settings, ledger: Ledger) -> bool:
    """Whether the batch's own manifest is no longer there; another name would be a slip of the pen, and cost money."""
    assert settings.manifest
    known = ledger.fact("manifest")
    if not known or settings.manifest == STANDARD_INPUT or settings.manifest.exists():
        return False
    return is_same(Path(known), settings.manifest) or settings.manifest.parent == settings.batch.absolute()


def _mark(settings: Settings) -> str:
    """A hash of what the ledger's rows follow from: the sheet's bytes, and how they are read.

    While it is the same, the sheet need not be read again. Empty where the rows follow from more, such as images.
    """
    assert settings.manifest
    if settings.images_to is not None or settings.check_images or settings.emulator:
        return ""
    read_with = (settings.model, settings.encoding, settings.sheet, settings.overrides, settings.name)
    mark = sha256(json.dumps([__version__, settings.manifest.suffix, *read_with]).encode())
    try:
        with settings.manifest.open("rb") as file:
            mark.update(file_digest(file, "sha256").digest())
    except OSError:
        return ""  # what is wrong is told by who reads it
    return mark.hexdigest()


def _held(settings: Settings) -> str | None:
    """What the batch's failures.csv holds, if that is the manifest."""
    path = settings.batch / written.FAILURES
    return written.digest(path) if settings.manifest and is_same(settings.manifest, path) else None


@contextmanager
def manifest_as_file(settings: Settings, folder: Path) -> Iterator[Settings]:
    """The settings with a manifest that is a file: what comes from standard input is kept in ``folder``.

    If the block raises, the file is as it was before.
    """
    if settings.manifest != STANDARD_INPUT:
        if settings.format:
            raise UsageError("--format is for a manifest from standard input: a file's name tells its format")
        yield settings
        return
    stream = settings.stream or (lambda: sys.stdin.buffer if sys.stdin else io.BytesIO())
    with spooled(stream(), folder, settings.format or "csv") as path:
        try:
            yield replace(settings, manifest=path.absolute())
        except ManifestError as error:
            raise ManifestError("" if settings.place else "standard input", error.problems) from None


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


def choose(selection: Selection | None, ledger: Ledger) -> tuple[str, ...]:
    """Let the run submit the selected rows alone; returns what a person should know of it."""
    if not selection:
        return ()
    picker = Picker(selection)

    def chosen() -> Iterator[int]:
        for row in present(ledger):
            if picker.takes(row):
                yield row.job
            if picker.is_full:
                break

    select(ledger, chosen())
    if picker.has_missed:
        raise UsageError("; ".join(picker.remarks()))
    return tuple(picker.remarks())
