"""For all tests."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.s3_server import S3Server

settings.register_profile("batchgen", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("batchgen")

# Folders, by what a file of theirs takes.
SLOWEST_FIRST = ("proof", "simulation", "e2e", "replica", "ledger", "report", "api", "archive", "dispatch")

for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):  # the developer's own
    os.environ.pop(name, None)

for number in (signal.SIGINT, signal.SIGHUP):  # ignored where tests run in the background, and programs inherit that
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left with it at the end."""

    def rank(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return SLOWEST_FIRST.index(folder) if folder in SLOWEST_FIRST else len(SLOWEST_FIRST)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def s3() -> Iterator["S3Server"]:
    """One server for all: each test writes to a bucket, or below a prefix, of its own."""
    from tests.s3_server import s3_server

    with s3_server() as server:
        server.make_bucket("night")
        server.make_bucket("videos")
        yield server


@pytest.fixture
def aws(s3: "S3Server", monkeypatch: pytest.MonkeyPatch) -> "S3Server":
    """The same, known to this process too."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return s3


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key with a certificate that nobody has signed, of localhost and videos.example; ``.crt``: this alone."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:videos.example"]
    subprocess.run([*command, "-keyout", str(path), "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path
