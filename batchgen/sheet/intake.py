"""The manifest into the ledger: which rules name its rows, and what is refused before they come in."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from batchgen.errors import ManifestError, UsageError
from batchgen.folder.memory import is_remembered
from batchgen.images.files import Files
from batchgen.ledger import Intake, Ledger, take_in
from batchgen.ledger.expected import has_asked_with
from batchgen.ledger.images import note_lines
from batchgen.ledger.stage import Naming
from batchgen.manifest import Manifest, open_manifest
from batchgen.manifest.overrides import parse
from batchgen.manifest.rules import KNOWN
from batchgen.model import EMULATOR, Problem, Row
from batchgen.rows import Rows
from batchgen.settings import STANDARD_INPUT, Settings, batch_folder
from batchgen.sheet import naming

_OF_A_REQUEST = frozenset(KNOWN) - {"id", "prompt", "mode"}  # without one of these a row is another; not without those


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
        if parameter in present or parameter not in _OF_A_REQUEST or not has_asked_with(ledger, parameter):
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
