"""A run every night, as cron's line and as systemd's timer and service: text for a person to install.

Neither knows a shell's PATH or folder, so that every path is whole. The key and whatever else is secret stand in an
environment file, which both read: a crontab, a unit and a command line can be read by others.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from shlex import join, quote

from batchgen.errors import UsageError
from batchgen.settings import KEY_VARIABLE, NOTIFY_VARIABLE, PING_VARIABLE

CRON_LINE_LIMIT = 998  # bytes of a command that cron takes (Vixie's MAX_COMMAND): a longer one spoils the whole crontab
STOP_SECONDS = 120  # systemd's patience after SIGTERM: answers under way, results, the page, notices
_SAFE_WORD = re.compile(r"[A-Za-z0-9_@+=:,./-]+", re.ASCII)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True)
class Night:
    """What is run when; every path is absolute."""

    at: tuple[int, int]  # hour, minute
    program: tuple[str, ...]
    manifest: Path
    batch: Path
    folder: Path  # in which the flags' own paths begin
    flags: tuple[str, ...]
    user: str
    shell: tuple[str, ...] = ()  # variables of the present shell that matter, and that no night has by itself
    makes_up: bool = True  # a night that was missed is made up for when the machine is on again

    @property
    def command(self) -> list[str]:
        """The run's words."""
        words = [*self.program, "run", str(self.manifest), "--batch", str(self.batch), *self.flags]
        return words if "--quiet" in self.flags else [*words, "--quiet"]

    @property
    def environment(self) -> Path:
        """The file with the key, and with the addresses that are nobody else's business."""
        return self.batch.with_suffix(".env")

    @property
    def name(self) -> str:
        """What systemd calls it."""
        return "batchgen-" + re.sub(r"[^A-Za-z0-9_.-]+", "-", self.batch.stem).strip("-.")


def read_time(text: str) -> tuple[int, int]:
    """Hour and minute. Raises :class:`UsageError`."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise UsageError(f"--at {text}: write it like 02:00")
    return int(found[1]), int(found[2])


def this_program() -> tuple[str, ...]:
    """The words that start this very batchgen from anywhere."""
    script = Path(sys.executable).with_name("batchgen")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "batchgen")


def crontab_line(night: Night) -> str:
    """The line for ``crontab -e``. Raises :class:`UsageError` for one that cron would not read whole."""
    environment = quote(str(night.environment))
    command = f"cd {quote(str(night.folder))} && set -a && . {environment} && exec {join(night.command)}"
    command = _printable(command).replace("%", r"\%")
    if len(command.encode()) > CRON_LINE_LIMIT:
        raise UsageError(
            f"cron takes at most {CRON_LINE_LIMIT} bytes of a command, and this one has {len(command.encode())}: "
            "shorten its paths and flags"
        )
    hour, minute = night.at
    return f"{minute} {hour} * * * {command}"


def service_unit(night: Night) -> str:
    """The systemd service: one run."""
    program, *others = night.command
    words = [_word(program), *(_word(word.replace("$", "$$")) for word in others)]
    return f"""[Unit]
Description=batchgen run {_value(night.manifest)}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={night.user}
UMask=0077
WorkingDirectory={_value(night.folder)}
EnvironmentFile={_value(night.environment)}
ExecStart={" ".join(words)}
# A batch lasts as long as it lasts; when it is stopped, answers that are under way are still recorded.
TimeoutStartSec=infinity
TimeoutStopSec={STOP_SECONDS}
KillSignal=SIGTERM
# Stopped by a limit of its own, or by systemctl stop: no failure.
SuccessExitStatus=4 143
"""


def timer_unit(night: Night) -> str:
    """The systemd timer that starts it."""
    hour, minute = night.at
    if night.makes_up:
        missed = "# A night that was missed is made up for.\nPersistent=true"
    else:
        missed = "# A night that was missed is not made up for: its deadline has passed.\nPersistent=false"
    return f"""[Unit]
Description=batchgen run {_value(night.manifest)} every night

[Timer]
OnCalendar=*-*-* {hour:02}:{minute:02}:00
{missed}

[Install]
WantedBy=timers.target
"""


def instructions(night: Night) -> str:
    """All of it, with what a person does with it."""
    environment, units = quote(str(night.environment)), f"/etc/systemd/system/{night.name}"
    return f"""\
# Every night at {night.at[0]:02}:{night.at[1]:02}, by cron or by systemd. A start while a run is at work ends at once.

# 1. The environment file, for you alone:
#
#      touch {environment} && chmod 600 {environment}
#
#    Write into it, in single quotes, the key; and the others where you want to be told of each night:
#
#      {KEY_VARIABLE}='...'
#      {PING_VARIABLE}='https://hc-ping.com/...'
#      {NOTIFY_VARIABLE}='https://hooks.slack.com/...'
{_of_shell(night.shell)}
# 2. cron: crontab -e, and add this line. It mails what a run prints: nothing, unless something needs you.

{crontab_line(night)}

# 3. Or systemd: write these two files, then
#
#      sudo systemctl daemon-reload && sudo systemctl enable --now {night.name}.timer

# {units}.service
{service_unit(night)}
# {units}.timer
{timer_unit(night)}"""


def _of_shell(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    lines = "".join(f"#      {name}='...'\n" for name in names)
    return f"#\n#    What is set in this shell, and no night knows, as far as it is needed:\n#\n{lines}"


def _word(text: str) -> str:
    """A word as ExecStart reads it (systemd.service(5), systemd.syntax(7))."""
    text = _printable(text).replace("%", "%%")
    if _SAFE_WORD.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _value(path: Path) -> str:
    """A path as a setting that is read to the end of its line."""
    text = _printable(str(path))
    if text != text.strip() or text.endswith("\\"):
        raise UsageError(f"systemd cannot read the path {text!r}: rename it")
    return text.replace("%", "%%")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise UsageError(f"{text!r} holds a character that neither cron nor systemd reads: rename it")
    return text
