"""Nights under a real cron daemon, whose clock runs sixty times as fast; the line is the printed one, untouched."""

import asyncio
import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.program import KEY, batchgen, emulated, paid, sheet

CRON = shutil.which("cron", path="/usr/sbin:/usr/bin:/sbin:/bin")
LOCK = Path("/var/run/crond.pid")
NIGHT_SECONDS = 180.0  # at most, on a machine that is busy


def why_not() -> str | None:
    """Why a cron daemon cannot be run here."""
    if not CRON or not shutil.which("faketime"):
        return "cron and faketime are not installed"
    if os.geteuid() != 0:
        return "only root can run a cron daemon"
    return "a cron daemon is at work on this machine" if is_at_work() else None


def is_at_work() -> bool:
    if not LOCK.exists():
        return False
    with LOCK.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@contextmanager
def cron(line: str, shell: Path) -> Iterator[None]:
    """A cron daemon at a minute and a half to two, with this line among its jobs; ``shell`` is what runs them."""
    schedule, command = re.fullmatch(r"((?:\S+ ){5})(.*)", line).groups()  # type: ignore[union-attr]
    job = Path(f"/etc/cron.d/batchgen-test-{os.getpid()}")
    job.write_text(f"SHELL={shell}\n{schedule}root {command}\n")
    job.chmod(0o644)
    clock = ("faketime", "-f", "@2026-03-28 01:58:30 x60")
    environment = {"PATH": os.environ["PATH"], "TZ": "UTC"}
    daemon = subprocess.Popen([*clock, str(CRON), "-f"], env=environment, start_new_session=True)
    try:
        yield
    finally:
        job.unlink()
        os.killpg(daemon.pid, signal.SIGTERM)  # faketime, and cron that it started
        daemon.wait()
        while is_at_work():
            time.sleep(0.05)


class Mailbox:
    """A shell for cron that keeps a job's output, as cron's mail would, and its exit code."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.shell = folder / "shell"
        out, code = folder / "out", folder / "code"
        self.shell.write_text(
            f'#!/bin/sh\nenv | sort > "{folder}/env"\n/bin/sh "$@" > "{out}" 2>&1\necho $? > "{code}.part"\n'
            f'mv "{code}.part" "{code}"\n'
        )
        self.shell.chmod(0o755)

    async def mail(self) -> tuple[int, str]:
        """The next job's exit code and what cron would mail of it."""
        code = self._folder / "code"
        async with asyncio.timeout(NIGHT_SECONDS):
            while not code.exists():
                await asyncio.sleep(0.05)
        told = int(code.read_text()), (self._folder / "out").read_text()
        code.unlink()
        return told

    @property
    def environment(self) -> str:
        return (self._folder / "env").read_text()


async def test_nights_under_cron_are_silent_until_something_needs_a_person(tmp_path: Path) -> None:
    folder = tmp_path / "it's 100% film"
    folder.mkdir()
    rows = [{"id": f"r{n}", "prompt": f"🦊 {n}"} for n in range(3)]
    manifest = sheet(folder / "prompts.csv", rows)
    mailbox = Mailbox(tmp_path / "mailbox")
    async with emulated() as emulator:
        flags = ("--base-url", emulator.url, "--first-poll", "0.3", "--poll-every", "0.1", "--name", "{id}-100%")
        printed = await batchgen("schedule", "prompts.csv", "--at", "02:00", "--", *flags, cwd=folder)
        assert printed.code == 0, printed.err
        (make,) = re.findall(r"^# +(touch .*)$", printed.out, re.MULTILINE)
        (line,) = re.findall(r"^0 2 \* \* \* .*$", printed.out, re.MULTILINE)
        assert KEY not in printed.out
        subprocess.run(["/bin/sh", "-c", f"umask 022; {make}"], check=True)
        environment = folder / "prompts.env"
        assert environment.stat().st_mode & 0o777 == 0o600
        environment.write_text(f"APIXO_API_KEY='{KEY}'\n")
        with cron(line, mailbox.shell):
            assert await mailbox.mail() == (0, "")
        assert "LANG" not in mailbox.environment
        assert "PATH=/usr/bin:/bin\n" in mailbox.environment
        assert {path.name for path in (folder / "prompts.batch" / "videos").iterdir()} == {
            f"r{n}-100%.mp4" for n in range(3)
        }
        sheet(manifest, [*rows, {"id": "bad", "prompt": "[violation]"}])
        with cron(line, mailbox.shell):
            code, mail = await mailbox.mail()
        assert code == 1
        assert (mail.count("\n"), mail.startswith("batchgen: ")) == (1, True)
        assert "4 rows, 3 archived, 1 failed" in mail
        with cron(line, mailbox.shell):
            assert await mailbox.mail() == (1, "")
        assert sorted(len(tasks) for tasks in paid(emulator).values()) == [1, 1, 1, 1]
