"""``python -m tests.proof.breakages``: break the code on purpose, one line at a time, and see which test goes red.

Each breakage is applied to a copy of the tree; only the tests named with it are run there (none of tests/e2e: they run
the program that is installed, not the copy). A breakage that no test
notices is printed as UNNOTICED, and the exit code is 1.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.forked import ROOT

TIMEOUT_SECONDS = 600  # longer than a test may take by itself
_RED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
POWER = "tests/proof/test_power_loss.py"
POINTS = "tests/proof/test_every_point.py::test_a_kill_at_any_point_of_a_run_pays_for_nothing_twice_and_loses_nothing"
NETWORK, FILES, RESULTS = (f"{POINTS}[{group}]" for group in ("network", "files", "results"))
SECOND_RUN = "tests/proof/test_random_kills.py::test_a_second_run_beside_the_first_is_refused_and_pays_for_nothing"
MACHINE = "tests/ledger/test_ledger_machine.py"
RECOVERY_PY, DISK_PY = "batchgen/ledger/recovery.py", "batchgen/archive/disk.py"
DOUBT_PY, EVIDENCE_PY = "batchgen/ledger/doubt.py", "batchgen/ledger/evidence.py"
CLIENT_PY, WIRE_PY = "batchgen/service/client.py", "batchgen/service/wire.py"


@dataclass(frozen=True)
class Breakage:
    """A small change of one file, and the tests that should notice it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


BREAKAGES = (
    Breakage(
        "the intent is not committed before the POST",
        "batchgen/steps/intend.py",
        "return self.ledger.intend(job, price=price, token=token)",
        "return replace(job, state=State.SUBMITTING)",
        (POWER,),
    ),
    Breakage(
        "the ledger is not synced",
        "batchgen/ledger/database.py",
        "        os.fdatasync(file)",
        "        pass",
        (POWER,),
    ),
    Breakage(
        "the POST does not wait for the sync of its intent",
        "batchgen/steps/submit.py",
        "            await self.durable()\n",
        "            pass\n",
        (POWER,),
    ),
    Breakage(
        "any number of POSTs waits for an answer",
        "batchgen/dispatch/asker.py",
        "self.account.has_slot and self.account.may_post",
        "self.account.has_slot",
        ("tests/simulation/test_simulation.py",),
    ),
    Breakage(
        "a run that gets nothing for what it pays goes on paying",
        "batchgen/account/account.py",
        "if self.harvest.is_failing and (self.posting or self.harvest.pause):",
        "if False:",
        ("tests/account/test_harvest.py", "tests/dispatch/test_dispatcher.py"),
    ),
    Breakage(
        "the lock is skipped",
        "batchgen/folder/lock.py",
        "fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        (SECOND_RUN,),
    ),
    Breakage(
        "the file is not synced before it gets its name",
        DISK_PY,
        "            os.fsync(file.fileno())\n            for candidate",
        "            for candidate",
        (POWER,),
    ),
    Breakage(
        "the folder is not synced before the record",
        DISK_PY,
        "            os.unlink(part)\n        private.sync_folder(self._folder)",
        "            os.unlink(part)",
        (POWER,),
    ),
    Breakage(
        "a download is written under its final name",
        DISK_PY,
        'f".{self._tag}-{secrets.token_hex(8)}.part"',
        'f"{self._tag}-{secrets.token_hex(8)}.mp4"',
        (
            "tests/archive/test_disk.py",
            FILES,
        ),
    ),
    Breakage(
        "left-over .part files are not swept",
        DISK_PY,
        "                    path.unlink(missing_ok=True)",
        "                    pass",
        (FILES,),
    ),
    Breakage(
        "a callback's token is not looked at",
        EVIDENCE_PY,
        '"SELECT attempt, job, task_id, called_at FROM attempt WHERE token = ?", (token,))',
        '"SELECT attempt, job, task_id, called_at FROM attempt WHERE token >= ? OR 1 LIMIT 1", (token,))',
        ("tests/ledger/test_doubt.py",),
    ),
    Breakage(
        "a download's length is not checked",
        "batchgen/download/downloader.py",
        "if length is not None and size != length:",
        "if False:",
        ("tests/download/test_downloader.py",),
    ),
    Breakage(
        "a POST that failed is sent once more",
        CLIENT_PY,
        "            answer = await self._post(submit_body(request, callback_url), sent)\n",
        "            try:\n"
        "                answer = await self._post(submit_body(request, callback_url), sent)\n"
        "            except aiohttp.ClientError:\n"
        "                answer = await self._post(submit_body(request, callback_url), sent)\n",
        ("tests/service/test_client.py",),
    ),
    Breakage(
        "a POST follows redirects",
        CLIENT_PY,
        "url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=sent",
        "url, data=body, headers=headers, allow_redirects=True, trace_request_ctx=sent",
        ("tests/service/test_client.py",),
    ),
    Breakage(
        "what was asked for without an answer is pending after a crash",
        RECOVERY_PY,
        "UPDATE job SET state = 'in_doubt', fail_code = NULL",
        "UPDATE job SET state = 'pending', fail_code = NULL",
        (NETWORK,),
    ),
    Breakage(
        "after a crash nothing is recovered",
        RECOVERY_PY,
        "WHERE {OPEN} AND state = 'submitting'\",\n            (NOT",
        "WHERE {OPEN} AND state = 'never'\",\n            (NOT",
        ("tests/ledger/test_ledger.py",),
    ),
    Breakage(
        "rows in doubt are submitted again by default",
        "batchgen/cli/options.py",
        'default="hold"',
        'default="resubmit"',
        (NETWORK,),
    ),
    Breakage(
        "results.csv is not written atomically",
        "batchgen/report/results.py",
        'with replacing(path, encoding="utf-8", newline="") as file:',
        'with open(path, "w", encoding="utf-8", newline="") as file:',
        (RESULTS,),
    ),
    Breakage(
        "502 is taken for a refusal",
        WIRE_PY,
        "    429: Verdict.BUSY,\n",
        "    429: Verdict.BUSY,\n    502: Verdict.REFUSED,\n",
        ("tests/service",),
    ),
    Breakage(
        "a task that is bound keeps an old leave to be paid for again",
        EVIDENCE_PY,
        "        remake=False,\n",
        "",
        ("tests/ledger/test_doubt.py",),
    ),
    Breakage(
        "a task that a row once had is attached to another",
        DOUBT_PY,
        "attempt.task_id = :task OR (candidate",
        "(candidate",
        (MACHINE,),
    ),
    Breakage(
        "rows are known by where they stand",
        "batchgen/ledger/recognise.py",
        "FROM main.row WHERE row.id = sheet.id AND row.digest = sheet.digest",
        "FROM main.row WHERE row.position = sheet.position AND row.digest = sheet.digest",
        ("tests/ledger/test_intake.py",),
    ),
    Breakage(
        "a callback that never came is believed though nobody listened",
        DOUBT_PY,
        'AND called_at IS NULL AND started_at BETWEEN ? AND ? "\n            "AND attempt =',
        'AND called_at IS NULL AND started_at BETWEEN ? - 1e9 AND ? "\n            "AND attempt =',
        ("tests/ledger/test_doubt.py", MACHINE),
    ),
)


def _copied(folder: Path, breakage: Breakage) -> Path:
    tree = folder / "tree"
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.batch", "*.egg-info")
    shutil.copytree(ROOT, tree, ignore=unwanted)
    path = tree / breakage.file
    text = path.read_text()
    if text.count(breakage.old) != 1:
        raise SystemExit(f"{breakage.name}: the line to break stands {text.count(breakage.old)} times in {path.name}")
    path.write_text(text.replace(breakage.old, breakage.new))
    return tree


def red_tests(breakage: Breakage) -> list[str]:
    """The tests that fail with it; the first to fail of each file."""
    with tempfile.TemporaryDirectory(prefix="broken-") as folder:
        tree = _copied(Path(folder), breakage)
        red: list[str] = []
        for tests in breakage.tests:
            if not red:
                pytest = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", tests)
                ended = subprocess.run(pytest, cwd=tree, capture_output=True, check=False, timeout=TIMEOUT_SECONDS)
                red += _RED.findall(ended.stdout.decode())
        return red


def main(words: Sequence[str]) -> int:
    """Run all breakages, or those whose name holds one of the words."""
    unnoticed = 0
    for breakage in BREAKAGES:
        if words and not any(word in breakage.name for word in words):
            continue
        red = red_tests(breakage)
        unnoticed += not red
        found = ", ".join(test.partition("::")[2] or test for test in red)
        sys.stdout.write(f"| {breakage.name} | {found or 'UNNOTICED'} |\n")
        sys.stdout.flush()
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
