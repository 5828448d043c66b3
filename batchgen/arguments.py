"""What was given, as flags or by keyword, and what the environment says: one :class:`Settings`."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from batchgen.catalog import DEFAULT_FIRST_POLL_SECONDS, DEFAULT_POLL_EVERY_SECONDS
from batchgen.errors import AccountError, UsageError
from batchgen.model import EMULATOR
from batchgen.settings import (
    EMULATOR_SPEED,
    SERVICE_URL,
    Limits,
    Settings,
    read_base_url,
    read_callback,
    read_key,
    read_prices,
)
from batchgen.steering.deadline import read_deadline

NO_KEY = "none-is-needed"  # the key of who sends nothing
_OF_TELLING = frozenset({"quiet", "plain", "verbose", "ping", "notify", "metrics"})  # how it is told, not what is done


def to_settings(
    batch: Path,
    manifest: Path | None,
    *,
    emulator: bool = False,
    base_url: str | None = None,
    api_key_file: Path | None = None,
    to: str | None = None,
    overrides: tuple[str, ...] = (),
    only: str | Collection[str] | None = None,
    shard: str | None = None,
    limit: int | None = None,
    in_doubt: str = "hold",
    first_poll: float | None = None,
    poll_every: float | None = None,
    max_tasks: int | None = None,
    budget: float | None = None,
    budget_per_day: float | None = None,
    prices: tuple[str, ...] = (),
    callback_url: str | None = None,
    callback_listen: str | None = None,
    deadline: str | None = None,
    key: str | None = None,
    **more: Any,
) -> Settings:
    """What the flags and the environment say. Raises :class:`UsageError`, or :class:`AccountError` without a key."""
    from batchgen.manifest.selection import parse  # what `batchgen run --help` needs not
    from batchgen.system.proxy import proxy_of

    if manifest is None and base_url is None and not emulator:
        from batchgen.folder.checks import service_in

        emulator = service_in(batch) == EMULATOR  # the batch knows its service
    if emulator and base_url:
        raise UsageError("--emulator and --base-url exclude each other: choose one")
    speed = EMULATOR_SPEED if emulator else 1.0
    url, listen = read_callback(callback_url, callback_listen)
    origin = SERVICE_URL if emulator else read_base_url(base_url)
    if not emulator and key != NO_KEY:
        proxy_of(origin)
    return Settings(
        batch=batch,
        manifest=manifest,
        destination=to,
        emulator=emulator,
        overrides=overrides or None,
        selection=parse(only, shard, limit) or None,
        limits=Limits(max_tasks, budget, budget_per_day, read_prices(prices)),
        deadline=read_deadline(deadline) if deadline else None,
        base_url=origin,
        # Behind what may be wrong otherwise: that is told first.
        key="emulator" if emulator else _read_key(api_key_file, key, (batch, manifest, more.get("ledger_to"))),
        first_poll=first_poll or DEFAULT_FIRST_POLL_SECONDS / speed,
        poll_every=poll_every or DEFAULT_POLL_EVERY_SECONDS / speed,
        resubmit_in_doubt=in_doubt == "resubmit",
        callback_url=url,
        callback_listen=listen,
        **{name: flag for name, flag in more.items() if name not in _OF_TELLING},
    )


def _read_key(file: Path | None, key: str | None, batch: tuple[Path, Path | None, str | None]) -> str:
    """The key; where there is none, what is wrong with the batch is told first."""
    try:
        return read_key(file, key)
    except AccountError:
        from batchgen.folder.checks import check_given

        check_given(*batch)
        raise
