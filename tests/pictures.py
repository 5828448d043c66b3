"""The README's pictures, of the real program: ``make pictures`` runs the demo, and writes them into .pictures/.

It needs Chromium: apt-get install chromium
"""

import asyncio
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from fcntl import ioctl
from fractions import Fraction
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import av.filter
from playwright.async_api import Page, async_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / ".pictures"
COLUMNS, LINES = 96, 24
LETTER = 7.5  # pixels, of which the picture has two: a bar's blocks meet without seams
MOST_BYTES = 300_000
HALF_WAY = re.compile(r"\b([6-9]|10) of 14 archived")
CONTROL = re.compile(r"(\n|\r|\x1b\[\??[\d;]*[A-Za-ln-z])")  # all but colours, which end in m
THEME = TerminalTheme(
    (24, 25, 28),
    (222, 221, 216),
    [(70, 70, 72), (224, 108, 117), (126, 190, 130), (229, 192, 123), (97, 160, 230), (198, 120, 221), (86, 182, 194)],
)


class Screen:
    """What stands on a terminal: lines as they were printed, colours and all."""

    def __init__(self) -> None:
        self._lines = [""]
        self._row = 0

    def feed(self, text: str) -> None:
        """Take what a program wrote: text, moves upwards, and lines that are wiped."""
        for part in CONTROL.split(text):
            if part == "\n":
                self._row += 1
                self._lines += [""] * (self._row + 1 - len(self._lines))
            elif part.startswith("\x1b[") and part.endswith("A"):
                self._row -= int(part[2:-1] or 1)
            elif part.startswith("\x1b[") and part.endswith("K"):
                self._lines[self._row] = ""
            elif not CONTROL.fullmatch(part):
                self._lines[self._row] += part

    def __str__(self) -> str:
        return "\n".join(self._lines).rstrip()


def screens(*command: str, cwd: Path) -> Iterator[str]:
    """Run a command in a terminal of its own; gives what stands there after each time it wrote."""
    ours, its = pty.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=cwd, stdin=its, stdout=its, stderr=its, env=environment
    )
    os.close(its)
    screen = Screen()
    while written := _read(ours):
        screen.feed(written.decode(errors="replace"))
        yield str(screen)
    os.close(ours)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed: {screen}")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # on Linux, how a terminal says that nobody writes to it any more
        return b""


def drawn(text: str) -> str:
    """The terminal as SVG."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="batchgen", theme=THEME)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # from elsewhere
    return svg.replace("textLength=", 'lengthAdjust="spacingAndGlyphs" textLength=')  # a bar without seams


def lighten(picture: Path) -> None:
    """Write a PNG anew with 256 colours, of which a page has few more: a third of the bytes."""
    with av.open(str(picture)) as source:
        frame = next(source.decode(video=0))
    graph = av.filter.Graph()
    began = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1))
    split, palette, end = graph.add("split"), graph.add("palettegen", "reserve_transparent=0"), graph.add("buffersink")
    painted = graph.add("paletteuse", "dither=bayer:bayer_scale=4")
    began.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(painted, 1, 0)
    palette.link_to(painted, 0, 1)
    painted.link_to(end)
    graph.configure()
    frame.pts = 0
    graph.push(frame)
    graph.push(None)
    picture.write_bytes(_png(graph.pull()))


def _png(frame: Any) -> bytes:
    encoder: Any = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = frame.width, frame.height, "pal8", Fraction(1)
    encoder.options = {"compression_level": "9"}
    frame.pts = 0
    return b"".join(map(bytes, [*encoder.encode(frame), *encoder.encode(None)]))


async def photograph(terminal: str, report: Path) -> None:
    """Write both pictures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(
            viewport={"width": 1280, "height": 880}, device_scale_factor=2, color_scheme="light"
        )
        await page.goto(report.as_uri())
        await page.wait_for_timeout(500)
        await page.screenshot(path=PICTURES / "page.png")
        lighten(PICTURES / "page.png")
        await _draw(await browser.new_page(device_scale_factor=2), terminal)
        await browser.close()


async def _draw(page: Page, svg: str) -> None:
    width = float(re.findall(r'viewBox="0 0 ([\d.]+)', svg)[0]) * LETTER / 12.2  # as wide as rich draws one
    await page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block; width: {width}px }}</style>{svg}")
    await page.locator("svg").first.screenshot(path=PICTURES / "terminal.png", omit_background=True)


def _typed(*words: str) -> str:
    return f"\x1b[1m$ batchgen {' '.join(words)}\x1b[0m"


def main() -> None:
    """Run the demo and take the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        shutil.copytree(ROOT / "manifests", home / "manifests")
        plan, run = ("plan", "manifests/demo.csv"), ("run", "manifests/demo.csv", "--emulator", "--batch", "demo.batch")
        *_, planned = screens("batchgen", *plan, cwd=home)
        halves = [screen for screen in screens("batchgen", *run, cwd=home) if HALF_WAY.search(screen)]
        half = halves[len(halves) // 2]
        shown = f"{_typed(*plan)}\n{planned}\n\n{_typed(*run)}\n{half}"
        asyncio.run(photograph(drawn(shown.replace(f"{home}/", "")), home / "demo.batch" / "report.html"))
    for picture in PICTURES.iterdir():
        size = picture.stat().st_size
        sys.stdout.write(f"{picture.relative_to(ROOT)}: {size / 1000:.0f} kB\n")
        if size > MOST_BYTES:
            raise SystemExit(f"{picture} is larger than {MOST_BYTES} bytes")


if __name__ == "__main__":
    main()
