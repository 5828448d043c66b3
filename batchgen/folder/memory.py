"""What a batch remembers of the settings that it, and its manifest, were given."""

import json
import os
from dataclasses import replace
from pathlib import Path

from batchgen.catalog import DEFAULT_MODEL
from batchgen.ledger import Ledger
from batchgen.manifest import standard_input
from batchgen.settings import STANDARD_INPUT, Settings, batch_folder


def with_memory(settings: Settings, ledger: Ledger) -> Settings:
    """The settings, with what the flags leave open as the batch remembers it.

    What was said of another manifest than the present one (its encoding, sheet, overrides) does not hold for this.
    """
    manifest = settings.manifest
    if manifest is None:
        manifest = _known_manifest(settings.batch, ledger)
    is_known = manifest is not None and is_remembered(manifest, settings.batch, ledger)

    def known(name: str, flag: str | None) -> str | None:
        return flag if flag is not None else ledger.fact(name) or None

    def of_manifest(name: str, flag: str | None) -> str | None:
        return flag if flag is not None or not is_known else ledger.fact(name) or None

    overrides = of_manifest("overrides", None if settings.overrides is None else json.dumps(settings.overrides))
    return replace(
        settings,
        manifest=manifest if manifest in (None, STANDARD_INPUT) else Path(manifest).absolute(),
        model=known("model", settings.model) or DEFAULT_MODEL,
        destination=_destination(settings, ledger),
        name=known("name", settings.name),
        encoding=of_manifest("encoding", settings.encoding),
        sheet=of_manifest("sheet", settings.sheet),
        images_to=known("images_to", settings.images_to),
        image_folder=_image_folder(settings, manifest, ledger),
        overrides=tuple(word for word in json.loads(overrides or "[]") if word),
    )


def _known_manifest(batch: Path, ledger: Ledger) -> Path | None:
    """The manifest that the batch remembers; where both were moved, it lies to the batch's folder as it did before."""
    known, beside = ledger.fact("manifest"), ledger.fact("beside")
    if known and beside and not Path(known).exists():
        moved = Path(os.path.normpath(batch.absolute() / beside))
        return moved if moved.is_file() else Path(known)
    return Path(known) if known else None


def _destination(settings: Settings, ledger: Ledger) -> str | None:
    given = settings.destination
    if given is None:
        return known_destination(settings.batch, ledger)
    return given if "://" in given else str(Path(given).absolute())


def known_destination(batch: Path, ledger: Ledger) -> str | None:
    """Where the batch's videos go, as it remembers it."""
    known = ledger.fact("destination")
    return str(batch.absolute() / known) if known and "://" not in known else known


def is_elsewhere(settings: Settings, ledger: Ledger) -> bool:
    """Whether videos go to another place from now on: not if it is only written otherwise, or reached by a link."""
    known = known_destination(settings.batch, ledger) or str(settings.batch / "videos")
    return not is_same(Path(known), Path(settings.destination or known))


def remember_destination(settings: Settings, ledger: Ledger) -> None:
    """Keep where the videos go; a folder within the batch's as seen from there: they may be moved together."""
    if (destination := settings.destination) is None:
        return
    if "://" not in destination and Path(destination).is_relative_to(settings.batch.absolute()):
        destination = str(Path(destination).relative_to(settings.batch.absolute()))
    ledger.remember({"destination": destination})


def _image_folder(settings: Settings, manifest: Path | None, ledger: Ledger) -> Path:
    """The manifest's folder; of one that lies in the batch, as failures.csv does, that of the manifest before."""
    if manifest is None or manifest == STANDARD_INPUT:
        return Path.cwd()
    folder = manifest.absolute().parent
    remembered = ledger.fact("image_folder")
    return Path(remembered) if remembered and folder == settings.batch.absolute() else folder


def is_remembered(manifest: Path, batch: Path, ledger: Ledger) -> bool:
    """Whether the manifest is the one that the batch remembers; they may have been moved together, or copied."""
    remembered = Path(ledger.fact("manifest") or "")
    if manifest == STANDARD_INPUT:
        return remembered.stem == standard_input.STEM
    was_moved = not remembered.exists() or batch_folder(manifest).absolute() == batch.absolute()
    return is_same(remembered, manifest) or (remembered.name == manifest.name and was_moved)


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one place, which may be empty: ``film/../p.csv`` and ``p.csv``, also over links."""
    return os.path.realpath(one) == os.path.realpath(other)


def remember(settings: Settings, ledger: Ledger, *, is_partial: bool = False, **more: str) -> None:
    """Keep the settings that :func:`with_memory` brings back, and ``more``.

    ``is_partial``: the manifest is only a part of the one that is remembered, which stays.
    """
    facts = {"model": settings.model, "name": settings.name, "images_to": settings.images_to, **more}
    if not (is_partial and ledger.fact("manifest")):
        facts |= {
            "manifest": str(settings.manifest) if settings.manifest else None,
            "beside": _beside(settings),
            "encoding": settings.encoding or "",
            "sheet": settings.sheet or "",
            "image_folder": str(settings.image_folder or ""),
            "overrides": json.dumps(settings.overrides or []),
        }
    ledger.remember({name: value for name, value in facts.items() if value is not None})


def _beside(settings: Settings) -> str:
    """The manifest as seen from the batch's folder, if it is near: they may be moved together."""
    if settings.manifest is None:
        return ""
    folder, manifest = (Path(os.path.abspath(path)) for path in (settings.batch, settings.manifest))
    return os.path.relpath(manifest, folder) if manifest.is_relative_to(folder.parent) else ""
