"""Flags and environment, checked: one frozen :class:`Settings` that the rest of a run goes by."""

import ipaddress
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import SplitResult, urlsplit

from batchgen.catalog import DEFAULT_FIRST_POLL_SECONDS, DEFAULT_POLL_EVERY_SECONDS, Prices
from batchgen.errors import AccountError, UsageError
from batchgen.model import EMULATOR, LEDGER, Problem, is_text
from batchgen.steering.deadline import Deadline
from batchgen.words import with_command

if TYPE_CHECKING:
    from batchgen.manifest.selection import Selection

SERVICE_URL = "https://api.apixo.ai"
KEY_VARIABLE = "APIXO_API_KEY"
URL_VARIABLE = "APIXO_BASE_URL"
STANDARD_INPUT = Path("-")
AS_GIVEN = "as given"  # the date of prices that a person gave
PING_VARIABLE = "BATCHGEN_PING_URL"
NOTIFY_VARIABLE = "BATCHGEN_NOTIFY_URL"
EMULATOR_SPEED = 10.0  # times as fast as the service: a batch is done in less than a minute

_FLAGS = {"destination": "to", "overrides": "set"}  # where they are called otherwise


@dataclass(frozen=True)
class Limits:
    """What a run may spend. None: no limit. Money in US dollars."""

    max_tasks: int | None = None
    budget: float | None = None
    budget_per_day: float | None = None
    prices: Prices = field(default_factory=Prices)

    @property
    def are_none(self) -> bool:
        """Whether it may spend whatever its rows cost."""
        return self.max_tasks is self.budget is self.budget_per_day is None


@dataclass(frozen=True)
class Settings:
    """What one run goes by. None means: as the batch remembers it, or else the default."""

    batch: Path
    manifest: Path | None = None
    emulator: bool = False
    base_url: str = SERVICE_URL
    key: str = field(default="", repr=False)
    model: str | None = None
    encoding: str | None = None
    sheet: str | None = None  # of a workbook
    format: str | None = None  # of what comes from standard input
    stream: Callable[[], BinaryIO] | None = None  # what comes in its place
    place: Callable[[Problem], Problem] | None = None  # says where a problem of that stands
    overrides: tuple[str, ...] | None = None  # NAME=VALUE, which stand in the place of the manifest's
    selection: "Selection | None" = None
    images_to: str | None = None  # s3://bucket/prefix, where images on this machine are uploaded to
    image_folder: Path | None = None  # what their paths are relative to
    check_images: bool = False
    rehearsal: bool = False  # nobody will look at it, and nothing of it is paid
    xlsx: bool = False  # write results.xlsx too
    destination: str | None = None
    ledger_to: str | None = None  # s3://bucket/prefix of the ledger's copy
    name: str | None = None
    rate: int = 10000  # requests a minute
    concurrency: int = 1000  # tasks in flight
    downloads: int = 32  # at once
    first_poll: float = DEFAULT_FIRST_POLL_SECONDS
    poll_every: float = DEFAULT_POLL_EVERY_SECONDS
    spare_share: float | None = None  # of the requests that submits leave over, to find out sooner
    retry_failed: bool = False
    resubmit_in_doubt: bool = False
    may_submit: bool = True
    reuse: bool = False
    limits: Limits = field(default_factory=Limits)
    callback_url: str | None = None
    callback_listen: tuple[str, int] | None = None
    deadline: Deadline | None = None

    def __post_init__(self) -> None:
        """Raise :class:`UsageError` for a text that cannot be written down: the command line may be any bytes."""
        for name, value in vars(self).items():
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str) and not is_text(text):
                    flag = _FLAGS.get(name, name).replace("_", "-")
                    raise UsageError(f"--{flag} {text}: this holds bytes that are not UTF-8; rename or retype it")

    @property
    def may_pay(self) -> bool:
        """Whether the run may cost money."""
        return self.may_submit and not self.emulator

    @property
    def archive(self) -> str:
        """Where videos go: a folder, or s3://bucket/prefix."""
        return self.destination or str(self.batch / "videos")

    @property
    def service(self) -> str:
        """The service as the ledger remembers it."""
        return EMULATOR if self.emulator else self.base_url


def batch_folder(manifest: Path) -> Path:
    """The folder of a manifest's batch where none is named: ``prompts.batch`` beside ``prompts.csv``.

    A manifest that lies in a batch, as failures.csv does, is that batch's.
    """
    if manifest == STANDARD_INPUT:
        raise UsageError("a manifest from standard input has no name: name its batch's folder with --batch DIR")
    if manifest.is_dir():
        if (manifest / LEDGER).is_file():
            from batchgen.folder.checks import service_in

            words = ("resume", str(manifest), *to_service(service_in(manifest)))
            raise UsageError(with_command(f"{manifest} is a batch's folder; to continue it", *words))
        raise UsageError(f"{manifest}: this is a folder; name the manifest inside it")
    if (manifest.parent / LEDGER).is_file():
        return manifest.parent
    return manifest.with_name(f"{manifest.stem}.batch")


def to_service(service: str | None) -> tuple[str, ...]:
    """The words that point a command to a batch's service, if it is not the usual one; none for what is no address.

    A command does not take it from the batch's folder: that may be a stranger's, and the key would go where it says.
    """
    if service in (None, EMULATOR, SERVICE_URL):
        return ()
    try:
        return ("--base-url", read_base_url(service))
    except UsageError:
        return ()


def run_again(manifest: Path, batch: Path, service: str) -> tuple[str, ...]:
    """The words of the command that runs a manifest in a batch."""
    named = () if batch_folder(manifest).absolute() == batch.absolute() else ("--batch", str(batch))
    served = ("--emulator",) if service == EMULATOR else to_service(service)
    return ("run", str(manifest), *named, *served)


def read_base_url(flag: str | None) -> str:
    """The service's address. Raises :class:`UsageError` for one that the key must not be sent to."""
    url = (flag or os.environ.get(URL_VARIABLE) or SERVICE_URL).strip().rstrip("/")
    parts = _parts(url)
    if parts is None:
        raise UsageError(f"the service's address {url!r} is not one; write it like {SERVICE_URL}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("the service's address holds more than a host and a path; write it like " + SERVICE_URL)
    if parts.scheme == "http" and not is_loopback(url):
        raise UsageError(f"the key would cross the network unencrypted to {parts.hostname}; use https://")
    return url


def read_callback(url: str | None, listen: str | None) -> tuple[str | None, tuple[str, int] | None]:
    """The two halves of callback mode. Raises :class:`UsageError` for one without the other, or a wrong one."""
    if (url is None) != (listen is None):
        raise UsageError(
            "--callback-url and --callback-listen go together; give where the service calls, and where we listen"
        )
    if url is None or listen is None:
        return None, None
    parts = _parts(url)
    if parts is None or parts.query or parts.fragment:
        raise UsageError(f"--callback-url {url} is not an address; write it like https://me.example/batchgen")
    host, _, port = listen.rpartition(":")
    if not host or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
        raise UsageError(f"--callback-listen {listen} is not an address; write it like 127.0.0.1:8080")
    return url, (host.strip("[]"), int(port))


def read_notice_url(flag: str, url: str | None) -> str | None:
    """The address of a notice, checked. Raises :class:`UsageError`, which does not show it."""
    if not url or not url.strip():
        return None
    url = url.strip()
    parts = _parts(url)
    if parts is None or not (url.isascii() and url.isprintable()) or " " in url:
        raise UsageError(f"{flag}: this is not an address; write it like https://hc-ping.com/your-uuid")
    if parts.username or parts.fragment:
        raise UsageError(f"{flag}: an address at {parts.hostname} with a user name or a # cannot be used")
    if parts.scheme == "http" and not is_loopback(url):
        raise UsageError(f"{flag}: the notice would cross the network unencrypted to {parts.hostname}; use https://")
    return url


def _parts(url: str) -> SplitResult | None:
    """The parts of an address on the web; None for what is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def read_prices(words: tuple[str, ...]) -> Prices:
    """Prices from words like ``720p=0.08`` (US dollars a second); those of the table where none are given."""
    prices = dict(Prices().usd_per_second)
    for word in words:
        resolution, _, price = word.partition("=")
        if resolution not in prices or not re.fullmatch(r"\d{1,6}(\.\d{1,9})?", price, re.ASCII):
            raise UsageError(
                f"--price {word} is not a price; write it like 720p=0.08, in US dollars for a second of video"
            )
        prices[resolution] = float(price)
    return Prices(date=AS_GIVEN, usd_per_second=prices) if words else Prices()


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_key(file: Path | None, key: str | None = None) -> str:
    """The API key, as given or from a file or the environment. Raises :class:`AccountError` where there is none."""
    key = key or (_key_of_file(file) if file else os.environ.get(KEY_VARIABLE, "").strip())
    if not key and file:
        raise AccountError(f"the key file {file} is empty; write the key into it, or name another with --api-key-file")
    if not key:
        raise AccountError(
            f"no API key is given; set {KEY_VARIABLE}, or name a file that holds it with --api-key-file "
            "(or try --emulator, which needs none)"
        )
    if not (key.isascii() and key.isprintable()) or " " in key or key.startswith(f"{KEY_VARIABLE}="):
        where = f"the key file {file} holds" if file else "what is given as the API key is"
        raise UsageError(f"{where} more than a key; the key must stand alone, on one line and without its name")
    return key


def _key_of_file(file: Path) -> str:
    try:
        mode = file.stat().st_mode
        key = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the key file {file} cannot be read: {_why(error)}; name another with --api-key-file"
        ) from None
    if stat.S_IMODE(mode) & 0o022:
        raise UsageError(f"the key file {file} can be written by others than you; run chmod 600 on it")
    return key


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unknown" if isinstance(error, OSError) else "it is not text"
