"""The house's rules: imports run one way, nothing slow is loaded before it is needed, and nothing shouts."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import batchgen
from batchgen.ledger import Ledger

HOUSE = Path(batchgen.__file__).parent
VOCABULARY = {"model", "request", "errors", "problems", "retry", "catalog", "words", "redaction", "rows",
              "system.private"}  # fmt: skip
# Folders whose files are rooms by themselves.
DRAWERS = {"doubts", "folder", "others", "planning", "sheet", "spending", "steering", "system", "videos"}
# What each room imports besides the vocabulary; a folder is one room.
ROOMS = {
    "manifest": {"system.borrowed"},
    "ledger": set(),
    "service": {"system.proxy"},
    "download": {"system.proxy"},
    "s3": set(),
    "archive": {"s3"},
    "replica": {"ledger", "s3"},
    "sheet.naming": set(),
    "system.awake": set(),
    "folder.lock": set(),
    "system.mounts": set(),
    "system.proxy": {"settings"},
    "folder.journal": {"system.borrowed"},
    "system.borrowed": set(),
    "system.descriptors": {"system.borrowed"},
    "steering.progress": set(),
    "spending.disk_space": set(),
    "steps": {"account", "archive", "steering.deadline", "download", "ledger", "service", "spending.limits"},
    "pipeline": {"steps"},
    "account": set(),
    "dispatch": {"account", "ledger", "pipeline", "service"},
    "steering.control": {"folder.lock"},
    "steering.deadline": set(),
    "planning.nightly": {"settings"},
    "summary": set(),
    "notices": {"steering.progress", "summary"},
    "arguments": {"steering.deadline", "folder.checks", "manifest", "settings", "system.proxy"},
    "origin": {"emulator", "run", "settings"},
    "folder.witnesses": {"ledger"},
    "others.paid_beside": {"ledger", "settings"},
    "images": {"s3", "download"},
    "report": {"folder.lock", "ledger", "manifest", "s3"},  # failures.csv is a manifest again
}


def imports(file: Path) -> set[str]:
    """The rooms of this house that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "batchgen":
            found |= {room_of(f"{node.module}.{alias.name}") for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {room_of(alias.name) for alias in node.names if alias.name.startswith("batchgen.")}
    return found - {"__version__"}


def room_of(name: str) -> str:
    _, *parts = name.split(".")
    return ".".join(parts[: 2 if parts[0] in DRAWERS else 1])


def files_of(room: str) -> list[Path]:
    path = HOUSE.joinpath(*room.split("."))
    return [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else sorted(path.rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_itself_and_the_vocabulary_alone(room: str) -> None:
    known = {file: imports(file) - VOCABULARY - {room} for file in files_of(room)}
    assert known
    assert set().union(*known.values()) == ROOMS[room], known


@pytest.mark.parametrize("word", sorted(VOCABULARY))
def test_the_vocabulary_knows_nothing_but_itself(word: str) -> None:
    for file in files_of(word):
        assert imports(file) <= VOCABULARY


def test_the_emulator_shares_no_code_with_the_client() -> None:
    for file in files_of("emulator"):
        assert imports(file) <= {"emulator"}, file


def test_only_the_command_line_prints_and_it_and_what_hosts_a_run_start_the_emulator() -> None:
    for file in HOUSE.rglob("*.py"):
        if file.is_relative_to(HOUSE / "emulator") or file.is_relative_to(HOUSE / "cli"):
            continue
        assert "emulator" not in imports(file) or file == HOUSE / "origin.py", file
        calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "print"], file


def test_batches_from_python_stand_on_the_house_and_nothing_stands_on_them() -> None:
    for file in HOUSE.rglob("*.py"):
        if not file.is_relative_to(HOUSE / "api") and file != HOUSE / "__init__.py":
            assert "api" not in imports(file), file


def test_batches_from_python_lean_on_the_command_line_for_its_flags_alone() -> None:
    for file in HOUSE.rglob("*.py"):
        if file.is_relative_to(HOUSE / "cli") or file == HOUSE / "__main__.py":
            continue
        lines = [line for line in file.read_text("utf-8").splitlines() if "batchgen.cli" in line and "import" in line]
        assert lines == ["from batchgen.cli import group"] * (file == HOUSE / "api" / "options.py"), file


@pytest.mark.parametrize(
    ("words", "slow"),
    [
        (["run", "--help"], ("pandas", "boto3", "aiohttp", "yaml", "av", "rich", "sqlite3")),
        (["plan", "sheet.csv"], ("pandas", "boto3", "aiohttp", "yaml", "av", "rich")),
        (["status", "sheet.batch"], ("pandas", "boto3", "aiohttp", "yaml", "av", "rich")),
        (["run", "sheet.csv", "--emulator"], ("pandas", "boto3", "yaml")),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_nothing_slow_is_loaded_that_is_not_needed(words: list[str], slow: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text("id,prompt\nlake,a lake\n", encoding="utf-8")
    (tmp_path / "sheet.batch").mkdir()
    Ledger.open(tmp_path / "sheet.batch" / "ledger.sqlite").close()
    code = (
        "import sys; from click.testing import CliRunner; from batchgen.cli import group; "
        f"done = CliRunner().invoke(group, {words}, standalone_mode=False); "
        f"print(done.exception, [name for name in {slow} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None []"


def test_on_windows_it_says_where_it_runs() -> None:
    code = "import sys; sys.platform = 'win32'; import batchgen.cli"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last == "ImportError: batchgen runs on Linux and macOS; on Windows, install it within WSL"
