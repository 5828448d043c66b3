"""Columns that are looked at together give what their records give when each is judged singly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.manifest import records
from batchgen.manifest.glance import Glance, glance
from batchgen.manifest.layout import layout_of
from batchgen.manifest.records import Block, Records
from batchgen.manifest.rules import KNOWN, Rules
from batchgen.model import Problem, Row
from batchgen.request import Request
from batchgen.rows import Rows, together
from tests.manifest.reading import singly

PROSE = st.sampled_from(
    ["", " ", "a fox", " a", "a ", "Eel", "e", "#1", "#REF!", "Err:508", " #N/A", "=1+1", "= SUM(A1)", "é",
     "caf\xc3\xa9", "日本語", "a\nb", "a\x07", "\xa0", "\xa0a", "\u3000", "\ufffd", '"', 'say "go"', "back\\slash",
     "\x7f", "%s", "'=1", "a" * 500, "a" * 501, "a" * 1500, "a" * 1501, "NA", "null", "{x}", "\ufeffa", "\u2028"]
) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)  # fmt: skip
CELLS: Mapping[str, st.SearchStrategy[str]] = {
    "prompt": PROSE,
    "negative_prompt": st.just("") | PROSE,
    "mode": st.sampled_from(["", " ", "text-to-video", "Text-To-Video", "image-to-video", "nonsense"]),
    "resolution": st.sampled_from(["", "720p", " 1080P ", "4k"]),
    "duration": st.sampled_from(["", "5", "10 s", "05", "7"]),
    "aspect_ratio": st.sampled_from(["", "16:9", "4:3"]),
    "image_urls": st.sampled_from(["", "", "", " ", "[]", "https://a/b.png", "https://a/b?sig=1&se=2", "x"]),
    "seed": st.sampled_from(["", " ", "0", "007", "1.0", " 5", "9" * 18, "9" * 19, "1" * 19, "１２", "²", "-3", "x"]),
    "enable_prompt_expansion": st.sampled_from(["", "yes", "perhaps"]),
    "provider": st.sampled_from(["", "auto", "VALUE"]),
    "id": st.sampled_from(["", " ", "a", " b ", "c\n", "d\x07e", "x" * 200, "x" * 201, "é", "NA"]),
    "seeds": st.sampled_from(["", "", "", " ", "1-3", "4-1"]),
    "own": PROSE,
    '5% "x"': PROSE,
}


@st.composite
def sheets(draw: st.DrawFn) -> tuple[list[str], Block]:
    names = draw(st.lists(st.sampled_from([*CELLS]), unique=True, min_size=1))
    number = draw(st.integers(1, 6))
    block = Block(list(range(1, number + 1)), [2 * at for at in range(1, number + 1)])
    block.columns = [draw(st.lists(CELLS[name], min_size=number, max_size=number)) for name in names]
    flaws = st.dictionaries(st.integers(0, number - 1), st.sets(st.sampled_from([*KNOWN, ""]), min_size=1), max_size=1)
    block.flaws = draw(st.just({}) | flaws)
    return names, block


def doubting(rules: Rules, columns: Mapping[str, Any], number: int) -> Glance:
    """Vouches for nothing."""
    seen = glance(rules, columns, number)
    return seen._replace(doubted=list(range(number)))


@settings(max_examples=1000)
@given(sheet=sheets(), overrides=st.sampled_from([{}, {}, {"resolution": "1080p"}, {"seeds": "1-2", "seed": ""}]))
def test_records_that_are_looked_at_together_give_what_each_gives_singly(
    sheet: tuple[list[str], Block], overrides: Mapping[str, str]
) -> None:
    names, block = sheet
    layout = layout_of(Path("s.csv"), names, 1)
    together = list(singly(Records(layout, Rules("wan-2-5"), overrides).rows(block)))
    with patch.object(records, "glance", doubting):
        each = list(Records(layout, Rules("wan-2-5"), overrides).rows(block))
    assert not any(isinstance(item, Rows) for item in each)
    assert together == each


@pytest.mark.parametrize("cells", [("a fox", "7", "x"), ("日本語", "", ""), ("a", "0", " y ")])
def test_a_plain_record_is_not_judged_singly(cells: tuple[str, str, str]) -> None:
    block = Block([1], [2], [[cell] for cell in cells])
    layout = layout_of(Path("s.csv"), ["prompt", "seed", "id"], 1)
    (found,) = Records(layout, Rules("wan-2-5"), {}).rows(block)
    assert isinstance(found, Rows)


ROWS = st.builds(
    Row,
    st.integers(1, 9),
    st.integers(1, 9),
    st.builds(
        Request,
        st.just("wan-2-5"),
        st.just("image-to-video"),
        PROSE,
        image_urls=st.sampled_from([(), ("https://a/b.png",), ("https://a/b.png?x-amz-signature=1",)]),
        negative_prompt=st.none() | PROSE,
        seed=st.none() | st.integers(0, 9),
        provider=st.none() | st.just("auto"),
    ),
    st.none() | PROSE,
    st.dictionaries(PROSE, PROSE, max_size=2),
)


@given(items=st.lists(ROWS | st.builds(Problem, st.integers(1, 9), st.none(), st.just("x")), max_size=8))
def test_rows_are_the_same_together_and_one_by_one(items: list[Row | Problem]) -> None:
    pieces = list(together(items, most=3))
    assert not any(isinstance(item, Row) for item in pieces)
    assert list(singly(pieces)) == items
