"""What cron, the shell and systemd make of the text that is printed for them."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchgen.cli import group
from batchgen.errors import LedgerError, UsageError
from batchgen.ledger import Ledger
from batchgen.model import EMULATOR
from batchgen.planning.nightly import (
    STOP_SECONDS,
    Night,
    crontab_line,
    read_time,
    service_unit,
    this_program,
    timer_unit,
)
from batchgen.settings import SERVICE_URL
from tests.report.batches import Wanted, make_batch

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" "), max_size=12)
ODD = [
    "a b",
    "50%",
    "it's",
    '"quoted"',
    "$HOME",
    "${HOME}",
    "back\\slash",
    "`id`",
    "a;b",
    ";",
    "&",
    "#",
    "",
    "%n",
    "🦊",
    "~",
]


def night(folder: Path, *flags: str, program: tuple[str, ...] = ("/bin/true",)) -> Night:
    batch = folder / "prompts.batch"
    return Night((2, 0), program, folder / "prompts.csv", batch, folder, flags, "film")


def run_by_cron(line: str) -> list[str]:
    """The words that a shell gives to the program of a crontab line, printed NUL-ended by it."""
    fields = re.fullmatch(r"\S+ \S+ \* \* \* (.*)", line)
    assert fields
    assert not re.search(r"(?<!\\)%", fields[1])  # cron would end the command there
    command = fields[1].replace(r"\%", "%")
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, env={"HOME": "/", "PATH": "/usr/bin:/bin"})
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().split("\0")[:-1]


def run_by_systemd(unit: str) -> list[str]:
    """The words of ExecStart, by the rules of systemd.syntax(7) and systemd.service(5), with nothing let through."""
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    pattern = r'"((?:[^"\\]|\\[\\"])*)"|([A-Za-z0-9_@+=:,./%$-]+)'
    assert re.fullmatch(rf"(?:{pattern})(?: (?:{pattern}))*", line)
    words = re.findall(rf"(?:{pattern})(?: |$)", line)
    plain = [bare if bare else re.sub(r"\\(.)", r"\1", quoted) for quoted, bare in words]
    for word in plain:
        assert not re.search(r"%[^%]|%$", word.replace("%%", "")), "a specifier"
        assert "$" not in word.replace("$$", ""), "a variable"
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]


PRINTF = ("/usr/bin/printf", r"%s\0")


@settings(max_examples=15)
@example(tuple(ODD))
@given(st.lists(WORDS, max_size=4).map(tuple))
def test_a_shell_gets_every_word_as_it_was(tmp_path_factory: pytest.TempPathFactory, words: tuple[str, ...]) -> None:
    folder = tmp_path_factory.mktemp("it's 100% $HOME")
    told = night(folder, *words, program=PRINTF)
    told.environment.touch()
    assert run_by_cron(crontab_line(told)) == told.command[2:]


@settings(max_examples=40)
@example(tuple(ODD))
@given(st.lists(WORDS, max_size=4).map(tuple))
def test_systemd_gets_every_word_as_it_was(words: tuple[str, ...]) -> None:
    told = night(Path("/srv/it's 100% $HOME"), *words)
    assert run_by_systemd(service_unit(told)) == told.command


def test_the_environment_file_reaches_the_run_and_stands_on_no_command_line(tmp_path: Path) -> None:
    told = night(tmp_path, program=("/usr/bin/printenv", "-0", "APIXO_API_KEY", "BATCHGEN_PING_URL"))
    told.environment.write_text("APIXO_API_KEY='it is $ecret'\nBATCHGEN_PING_URL='https://hc.example/?a=1&b=2'\n")
    line = crontab_line(told)
    line = line[: line.index(" run ")]
    assert run_by_cron(line) == ["it is $ecret", "https://hc.example/?a=1&b=2"]
    assert f"EnvironmentFile={tmp_path}/prompts.env\n" in service_unit(told)


def test_systemd_takes_the_units_as_they_are(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("systemd-analyze is not installed")
    folder = tmp_path / "it's 100% $HOME"
    folder.mkdir()
    told = replace(night(folder, *ODD), user="root")
    files = [tmp_path / f"{told.name}.service", tmp_path / f"{told.name}.timer"]
    for file, text in zip(files, (service_unit(told), timer_unit(told)), strict=True):
        file.write_text(text, encoding="utf-8")
    done = subprocess.run([analyze, "--man=no", "verify", *files], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if told.name in line]
    assert ours == []
    files[0].write_text(service_unit(told).replace("Type=oneshot", "Typ=oneshot"))
    done = subprocess.run([analyze, "--man=no", "verify", *files], capture_output=True, text=True)
    assert "Typ" in done.stderr  # it does look


def test_systemd_waits_for_the_drain_and_takes_a_limit_of_ones_own_for_no_failure() -> None:
    from batchgen.dispatch.dispatcher import DRAIN_SECONDS
    from batchgen.notices.notice import LAST_SECONDS

    unit = service_unit(night(Path("/srv")))
    assert STOP_SECONDS > 2 * (DRAIN_SECONDS + LAST_SECONDS)
    for setting in ("KillSignal=SIGTERM", "TimeoutStartSec=infinity", f"TimeoutStopSec={STOP_SECONDS}", "User=film"):
        assert f"{setting}\n" in unit
    assert "SuccessExitStatus=4 143\n" in unit


@pytest.mark.parametrize(
    "folder", [Path("/srv/line\nbreak"), Path("/srv/ends with \\"), Path("/srv/\x1b[2J"), Path("/srv/blank ")]
)
def test_a_path_that_cannot_be_written_down_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError):
        service_unit(night(folder))


def test_a_line_that_cron_would_not_take_is_refused() -> None:
    with pytest.raises(UsageError, match="998 bytes"):
        crontab_line(night(Path("/srv"), "--name", "é" * 500))


@pytest.mark.parametrize(("text", "at"), [("02:00", (2, 0)), ("2:05", (2, 5)), ("23:59", (23, 59))])
def test_a_time_is_an_hour_and_a_minute(text: str, at: tuple[int, int]) -> None:
    assert read_time(text) == at


@pytest.mark.parametrize("text", ["24:00", "2", "02:60", "", "2:5", "٢:٠٠", "02:00:00"])
def test_another_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write it like 02:00"):
        read_time(text)


# -- the command


def scheduled(folder: Path, *arguments: str) -> str:
    """What ``batchgen schedule`` prints in a folder; an error is raised."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(group, ["schedule", *arguments], catch_exceptions=False, standalone_mode=False).output
    finally:
        os.chdir(before)


def test_every_path_that_is_printed_is_whole(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").touch()
    text = scheduled(
        tmp_path, "prompts.csv", "--at", "2:30", "--", "--to", "videos", "--batch", "b", "--deadline", "4h"
    )
    command = f"{this_program()[0]} run {tmp_path}/prompts.csv --batch {tmp_path}/b --to videos --deadline 4h --quiet"
    assert f"\n30 2 * * * cd {tmp_path} && set -a && . {tmp_path}/b.env && exec {command}\n" in text
    assert f"\nWorkingDirectory={tmp_path}\n" in text
    assert f"\nExecStart={command}\n" in text
    assert f"touch {tmp_path}/b.env && chmod 600 {tmp_path}/b.env\n" in text
    assert "OnCalendar=*-*-* 02:30:00\n" in text
    assert "Persistent=true\n" in text
    assert Path(this_program()[0]).is_file()


def test_what_only_this_shell_has_is_named_for_the_environment_file_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prompts.csv").touch()
    for name in os.environ:
        monkeypatch.delenv(name)
    plain = scheduled(tmp_path, "prompts.csv", "--at", "2:30")
    assert "in this shell" not in plain
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("https_proxy", "http://user:s3cret@proxy.example")
    monkeypatch.setenv("APIXO_BASE_URL", "https://api.example")
    text = scheduled(tmp_path, "prompts.csv", "--at", "2:30")
    told = (
        "#\n#    What is set in this shell, and no night knows, as far as it is needed:\n#\n"
        "#      APIXO_BASE_URL='...'\n#      AWS_SECRET_ACCESS_KEY='...'\n"
        "#      https_proxy='...'\n"
    )
    assert text.replace(told, "") == plain
    assert told in text


def test_the_dashes_before_the_options_of_run_may_be_forgotten(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").touch()
    flags = ("--deadline", "06:00", "--batch=b", "--xlsx")
    whole = scheduled(tmp_path, "prompts.csv", "--at", "02:00", "--", *flags)
    assert scheduled(tmp_path, "prompts.csv", *flags, "--at", "02:00") == whole


def test_a_night_that_was_missed_is_not_made_up_for_past_its_deadline(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").touch()
    assert "Persistent=false\n" in scheduled(tmp_path, "prompts.csv", "--at", "02:00", "--", "--deadline", "06:00")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--pong",), "--pong"),
        (("--rate", "many"), "many"),
        (("--deadline", "soon"), "--deadline soon"),
        (("--deadline", "2099-01-01T06:00"), "one night's"),
        (("--ping", "https://hc-ping.com/SECRET"), "BATCHGEN_PING_URL"),
        (("--notify=https://hooks.slack.com/SECRET",), "BATCHGEN_NOTIFY_URL"),
    ],
)
def test_what_would_be_refused_at_night_is_refused_now(tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    (tmp_path / "prompts.csv").touch()
    with pytest.raises(Exception, match=re.escape(words)) as caught:
        scheduled(tmp_path, "prompts.csv", "--at", "02:00", "--", *flags)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("service", "flags", "words"),
    [
        (EMULATOR, (), "was made with the emulator, and nothing in it was paid for: to begin in earnest, name another"),
        (SERVICE_URL, ("--emulator",), f"was made with the service {SERVICE_URL}, not emulator"),
        (SERVICE_URL, ("--base-url", "https://b.example"), f"continue it with --base-url {SERVICE_URL}"),
    ],
)
def test_a_batch_of_another_service_is_refused_now_with_the_sentence_of_the_night(
    tmp_path: Path, service: str, flags: tuple[str, ...], words: str
) -> None:
    (tmp_path / "prompts.csv").touch()
    make_batch(tmp_path / "prompts.batch", [Wanted("fox")])
    with Ledger.open(tmp_path / "prompts.batch" / "ledger.sqlite") as ledger:
        ledger.remember({"service": service})
    with pytest.raises(LedgerError, match=re.escape(words)):
        scheduled(tmp_path, "prompts.csv", "--at", "02:00", "--", *flags)
    mine = ("--emulator",) if service == EMULATOR else ()
    assert "prompts.csv" in scheduled(tmp_path, "prompts.csv", "--at", "02:00", "--", *mine)


@pytest.mark.parametrize("manifest", ["-", "missing.csv"])
def test_a_manifest_that_will_not_be_there_is_refused(tmp_path: Path, manifest: str) -> None:
    with pytest.raises(UsageError, match="no file"):
        scheduled(tmp_path, "--at", "02:00", manifest)


@pytest.mark.parametrize(
    ("flags", "first"), [(("--budget", "5"), "--budget"), (("--ping=https://hc-ping.com/SECRET",), "--ping")]
)
def test_whose_first_word_is_an_option_of_run_is_told_where_it_belongs(
    tmp_path: Path, flags: tuple[str, ...], first: str
) -> None:
    (tmp_path / "prompts.csv").touch()
    with pytest.raises(UsageError, match="run's options behind --") as caught:
        scheduled(tmp_path, *flags, "prompts.csv", "--at", "03:00")
    assert str(caught.value).endswith(f"\n    batchgen schedule MANIFEST --at 03:00 -- {first} ...")
    assert "SECRET" not in str(caught.value)
