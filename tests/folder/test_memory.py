"""What a batch remembers of the settings that it was given."""

from pathlib import Path

from batchgen.folder.memory import remember
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
