"""Whatever others wrote, in a sheet, a file's name or an answer, nothing of it commands the terminal."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from batchgen.emulator import server, tasks
from batchgen.emulator.judge import Body, RefusedError
from tests.e2e.program import Ended, batchgen, emulated, run, sheet

EVIL = "\x1b]0;owned\x07\x1b[2Jred\x9b31m\u202egnp\u2066\x7f\r\x08 end"
NAMED = EVIL.replace("/", "")


def commands(text: str) -> list[str]:
    """The characters that could command a terminal, or turn what it shows."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")]


def assert_tame(ended: Ended) -> None:
    assert commands(ended.out) == []
    assert commands(ended.err) == []


def assert_log_is_whole(batch: Path) -> list[str]:
    text = (batch / "run.log").read_text()
    assert commands(text) == []
    return [json.loads(line)["event"] for line in text.splitlines()]


def refuse_all(code: int) -> Callable[[Body], None]:
    def refuse(_: Body) -> None:
        raise RefusedError(code, EVIL)

    return refuse


@pytest.mark.parametrize("flags", [(), ("--json", "--verbose")])
async def test_what_a_failed_task_and_a_files_name_say_commands_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    monkeypatch.setitem(tasks.FAIL_MESSAGES, "CONTENT_VIOLATION", EVIL)
    manifest = sheet(tmp_path / f"{NAMED}.csv", [{"prompt": "[violation] \u202egnp"}, {"prompt": "good"}])
    batch = manifest.with_suffix(".batch")
    async with emulated() as emulator:
        first: tuple[str | Path, ...] = ("run", manifest, "--base-url", emulator.url, "--first-poll", "0.1", *flags)
        looks = (("status", batch, "--json"),) if flags else (("status", batch),)
        for words in (first, *looks):
            ended = await batchgen(*words, cwd=tmp_path)
            assert_tame(ended)
            assert ended.out
    assert "run ended" in assert_log_is_whole(batch)


async def test_a_refusal_of_the_service_commands_no_terminal_and_is_told_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "check_marks", refuse_all(401))
    manifest = sheet(tmp_path / "p.csv", [{"prompt": "a"}])
    async with emulated() as emulator:
        ended = await run(emulator, manifest)
        assert_tame(ended)
        assert "]0;owned [2Jred 31m gnp end" in ended.summary["stopped"], "all that can be read is there"
        assert_tame(await batchgen("run", manifest, "--base-url", emulator.url, cwd=tmp_path))
    assert "stopping" in assert_log_is_whole(tmp_path / "p.batch")


async def test_a_doubt_and_a_refused_prompt_are_shown_without_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "check_marks", refuse_all(500))
    manifest = sheet(tmp_path / "p.csv", [{"prompt": "a \u202egnp"}])
    async with emulated() as emulator:
        assert_tame(await run(emulator, manifest))
    doubt = await batchgen("resolve", "p.batch", cwd=tmp_path)
    assert_tame(doubt)
    assert "end" in doubt.out
    refused = await batchgen("plan", sheet(tmp_path / "q.csv", [{"prompt": EVIL}]), cwd=tmp_path)
    assert_tame(refused)
    assert "control character" in refused.err
