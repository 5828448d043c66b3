"""What a batch remembers of the settings that it was given."""

from pathlib import Path

from batchgen.folder.memory import remember, with_memory
from batchgen.settings import Settings
from tests.ledger.test_ledger import filled

BATCH = Path("/films/p.batch")


def test_a_part_of_the_manifest_does_not_take_its_place_but_is_better_than_none() -> None:
    part = Settings(batch=BATCH, manifest=BATCH / "failures.csv")
    with filled(None) as ledger:
        remember(part, ledger, is_partial=True)
        assert ledger.fact("manifest") == str(part.manifest)
        remember(Settings(batch=BATCH, manifest=Path("/films/p.xlsx"), sheet="one"), ledger)
        remember(part, ledger, is_partial=True)
        assert (ledger.fact("manifest"), ledger.fact("beside"), ledger.fact("sheet")) == (
            "/films/p.xlsx",
            "../p.xlsx",
            "one",
        )


def test_what_was_said_of_a_sheet_holds_wherever_it_was_moved_and_for_no_other_of_its_name(tmp_path: Path) -> None:
    sheet, other, batch = tmp_path / "p.csv", tmp_path / "other" / "p.csv", tmp_path / "p.batch"
    other.parent.mkdir()
    for each in (sheet, other):
        each.touch()
    with filled(None) as ledger:
        remember(Settings(batch=batch, manifest=sheet, encoding="cp1252"), ledger)
        assert with_memory(Settings(batch=batch, manifest=sheet), ledger).encoding == "cp1252"
        assert with_memory(Settings(batch=batch, manifest=other), ledger).encoding is None
        sheet.unlink()
        assert with_memory(Settings(batch=batch, manifest=other), ledger).encoding == "cp1252"
