"""What a run is asked for: its manifest, which is remembered and not read again while it is the same, and its rows."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import file_digest, sha256
from pathlib import Path

from batchgen import __version__
from batchgen.errors import ManifestError, UsageError
from batchgen.folder.memory import is_same, remember
from batchgen.images.files import Files
from batchgen.ledger import Ledger
from batchgen.ledger.selected import present, select
from batchgen.manifest.selection import Picker, Selection
from batchgen.manifest.standard_input import spooled
from batchgen.report import written
from batchgen.settings import STANDARD_INPUT, Settings, run_again
from batchgen.sheet.intake import Taken, take_in_manifest
from batchgen.sheet.remarks import describe, warnings
from batchgen.words import with_command


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
