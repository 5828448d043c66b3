"""Every message is of one style: the program's name, what is wrong and where, what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from batchgen import UsageError
from batchgen.ledger import Ledger
from batchgen.model import LEDGER
from batchgen.settings import read_key
from tests.e2e.program import batchgen, environment, prompts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run",), "missing argument 'MANIFEST' (batchgen run --help tells more)"),
        (
            ("run", "p.csv", "--rate", "0"),
            "invalid value for '--rate': 0 is out of range; write a whole number from 1 (batchgen run --help",
        ),
        (
            ("run", "p.csv", "--downloads", "x"),
            "invalid value for '--downloads': x is not a whole number; write one from 1 to",
        ),
        (
            ("run", "p.csv", "--spare-share", "2"),
            "invalid value for '--spare-share': 2 is out of range; write a number from 0.01 to 1",
        ),
        (
            ("run", "p.csv", "--first-poll", "0"),
            "invalid value for '--first-poll': 0 is out of range; write a number above 0 (",
        ),
        (
            ("run", "p.csv", "--limit", "1.5"),
            "invalid value for '--limit': 1.5 is not a whole number; write one from 1 (",
        ),
        (("run", "p.csv", "--budget", "5,50"), "invalid value for '--budget': write 5.50, with a point ("),
        (("plan", "."), ".: this is a folder; name the manifest inside it"),
        (("run", "/"), "/: this is a folder; name the manifest inside it"),
        (("run", "p.csv", "--batch", ""), "invalid value for '--batch': it is empty; name a folder ("),
        (("run", "p.csv", "--to", " "), "invalid value for '--to': it is empty; name a folder ("),
        (("status", ""), "invalid value for 'BATCH': it is empty; name a folder ("),
        (
            ("emulator", "--fault", "nope=1"),
            "--fault nope=1: no fault is called 'nope'; batchgen emulator --help names them",
        ),
        (
            ("emulator", "--fault", "file-cut=2"),
            "--fault file-cut=2: a share is from 0 to 1; write it like file-cut=0.25",
        ),
        (("emulator", "--host", "192.0.2.1"), "192.0.2.1:8765 cannot be listened at: "),
        (("stats",), "no such command 'stats'. Did you mean 'status'? (batchgen --help tells more)"),
        (("status", "p.csv"), "p.csv is not a batch: it has no ledger.sqlite; name the folder that batchgen run made"),
        (("p.csv",), "no such command 'p.csv'; to run this file: batchgen run p.csv"),
        (("status", ".", "--watch"), ". is not a batch"),
        (("status", ".", "--watch", "--json"), "--watch and --json exclude each other; choose one"),
        (("run", "p.csv", "--base-url", "x"), "the service's address 'x' is not one; write it like https://"),
    ],
)
async def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    prompts(tmp_path / "p.csv", 1)
    ended = await batchgen(*arguments, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"batchgen: {message}")
    assert len(ended.err.splitlines()) == 1


async def test_a_sheet_in_the_place_of_its_batch_is_told_the_batchs_folder(tmp_path: Path) -> None:
    manifest = prompts(tmp_path / "p.csv", 1)
    (tmp_path / "p.batch").mkdir()
    Ledger.open(tmp_path / "p.batch" / LEDGER).close()
    ended = await batchgen("status", manifest.name, cwd=tmp_path)
    assert (ended.code, "name its batch's folder, p.batch" in ended.err) == (2, True)


@pytest.mark.parametrize("arguments", [("run", "p.csv"), ("run", "../p.csv"), ("resume", "p.batch"), ("plan", "p.csv")])
def test_where_the_folder_that_a_command_is_run_in_was_removed_that_is_said(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "gone").mkdir()
    gone = ("sh", "-c", 'rmdir "$PWD" && exec "$0" -m batchgen "$@"', sys.executable, *arguments)
    ended = subprocess.run(gone, cwd=tmp_path / "gone", env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("batchgen: the folder that this is run in was removed: change to one that is there")


async def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    ended = await batchgen(cwd=tmp_path)
    assert (ended.code, "Commands:" in ended.err) == (2, True)


async def test_a_key_file_without_a_key_and_a_ledger_that_is_none_are_told_with_what_to_do(tmp_path: Path) -> None:
    prompts(tmp_path / "p.csv", 1)
    (tmp_path / "key").write_text("\n", encoding="utf-8")
    empty = await batchgen("run", "p.csv", "--api-key-file", "key", cwd=tmp_path)
    assert (empty.code, "the key file key is empty; write the key into it" in empty.err) == (3, True)
    (tmp_path / "p.batch").mkdir()
    (tmp_path / "p.batch" / "ledger.sqlite").write_text("not a ledger " * 99, encoding="utf-8")
    for command in ("status", "resume", "report"):
        damaged = await batchgen(command, "p.batch", cwd=tmp_path)
        assert (damaged.code, "file is not a database; put a copy of it back" in damaged.err) == (2, True)


@pytest.mark.parametrize(
    "key", ["APIXO_API_KEY='abc'\n", "abc\nBATCHGEN_PING_URL=https://x\n", "my key\n", "schlüssel"]
)
def test_a_key_file_that_holds_more_than_a_key_is_refused_by_its_name(tmp_path: Path, key: str) -> None:
    (tmp_path / "night.env").write_text(key, encoding="utf-8")
    with pytest.raises(UsageError, match="holds more than a key; the key must stand alone"):
        read_key(tmp_path / "night.env")


@pytest.mark.parametrize("written", [b"abc\r\n", b"\xef\xbb\xbfabc\r\n", b" abc "])
def test_a_key_file_may_come_from_any_editor(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "key").write_bytes(written)
    assert read_key(tmp_path / "key") == "abc"


async def test_a_path_that_no_text_can_hold_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"od\xffd")
    odd.mkdir()
    prompts(odd / "p.csv", 1)
    prompts(tmp_path / "p.csv", 1)
    for words in (("run", odd / "p.csv"), ("run", "p.csv", "--to", odd), ("run", "p.csv", "--batch", odd / "b")):
        ended = await batchgen(*words, "--emulator", cwd=tmp_path)
        assert (ended.code, "holds bytes that are not UTF-8; rename" in ended.err) == (2, True), ended.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == [os.fsdecode(b"od\xffd"), "p.csv", "p.csv"]
