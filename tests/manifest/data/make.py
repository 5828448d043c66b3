"""Makes the sheets of this folder with LibreOffice (apt-get install libreoffice-calc-nogui); no test needs it.

    python -m tests.manifest.data.make

``same``: the table of same_rows.py, every cell a text. ``typed``: a sheet as a person types it, in which LibreOffice
saw numbers, times, dates and truth values. ``odd``: comments, links, bold words, formulas, errors, hidden rows,
merged cells, repeated rows, a second sheet.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.manifest.same_rows import HEADER, ROWS, WRITERS

HERE = Path(__file__).parent
TYPED = """id,prompt,seed,aspect_ratio,duration,enable_prompt_expansion,seeds,scene,shot
7,a cat  with two blanks,42,16:9,5,TRUE,,1-4,2026-01-05
b,"line
break",1234567890123456,1:1,10,FALSE,3,50%,12:30
c,plain,12345678901234567,,5,,,0.1,2026-01-05 12:30:00
d,good,,,10,,1-3,"1,5",-3
"""


def convert(source: Path, suffix: str, reading: str = "") -> None:
    filters = [f"--infilter=CSV:{reading}"] if reading else []
    with tempfile.TemporaryDirectory() as home:
        command = ["soffice", "--headless", *filters, "--convert-to", suffix, "--outdir", str(HERE), str(source)]
        subprocess.run(command, check=True, env=os.environ | {"HOME": home}, stdout=subprocess.DEVNULL)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        same, typed = Path(folder, "same.csv"), Path(folder, "typed.csv")
        WRITERS["rows.csv"](same, list(ROWS))
        typed.write_text(TYPED, encoding="utf-8")
        as_text = "/".join(f"{place}/2" for place in range(1, len(HEADER) + 1))
        for suffix in ("xlsx", "ods"):
            convert(same, suffix, f"44,34,76,1,{as_text}")
            convert(typed, suffix, "44,34,76,1,,0,false,true")
            convert(HERE / "odd.fods", suffix)


if __name__ == "__main__":
    assert shutil.which("soffice"), "LibreOffice is not installed"
    main()
