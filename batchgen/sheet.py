"""The manifest into the ledger: which rules name its rows, and what a person should know of it."""

from collections.abc import Iterator

from batchgen import naming
from batchgen.errors import ManifestError
from batchgen.ledger import Intake, Ledger, take_in
from batchgen.ledger.intake import Naming
from batchgen.manifest import open_manifest
from batchgen.settings import Settings


def take_in_manifest(settings: Settings, ledger: Ledger) -> tuple[Intake, tuple[str, ...]]:
    """Bring the manifest into the ledger; returns what it brought and the manifest's own further columns.

    Raises :class:`ManifestError` with every problem, if one of them is fatal; then the ledger is as it was.
    """
    assert settings.manifest
    assert settings.model
    template = naming.Template(settings.name) if settings.name else naming.Template()
    manifest = open_manifest(settings.manifest, model=settings.model, encoding=settings.encoding, sheet=settings.sheet)
    rules = Naming(naming.content_id, template.name, naming.fold, naming.apart)
    intake = take_in(ledger, manifest, rules)
    if not intake.is_usable:
        raise ManifestError(str(settings.manifest), intake.problems)
    return intake, tuple(manifest.columns)


def describe(intake: Intake, manifest: str) -> Iterator[str]:
    """What a person should know of a manifest that was taken in."""
    for problem in intake.problems:
        yield f"{manifest}: {problem}"
    if intake.edited:
        yield f"{intake.edited} rows were edited: they are new jobs"
    if intake.gone:
        kept = f", and the videos of {intake.kept_videos} are kept" if intake.kept_videos else ""
        yield f"{intake.gone} rows as they were before are no longer in the manifest{kept}"
