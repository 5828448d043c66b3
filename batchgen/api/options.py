"""Keyword arguments -> Settings, by way of the command line's own flags: the same names, checks and defaults."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, cast

import click

from batchgen.arguments import to_settings
from batchgen.cli import group
from batchgen.errors import UsageError
from batchgen.manifest.table import identities, is_several
from batchgen.settings import Settings

StrPath: TypeAlias = str | PathLike[str]

# What only a terminal has: nothing is printed here, and nothing read from standard input.
_OF_A_TERMINAL = frozenset({"as_json", "quiet", "plain", "format"})
_OF_A_BATCH = frozenset({"batch"})


class Options(TypedDict, total=False):
    """The flags of ``batchgen run``, with ``_`` for ``-``; ``batchgen run --help`` says what each means.

    What is left out, or None, is as on the command line. ``price`` and ``set`` are like ``{"720p": 0.08}``; in ``set``
    None leaves a parameter to the service. ``only`` is the flag's text, or ids, as in a list, a set or a column of a
    DataFrame: they are ids whatever they look like. ``deadline`` may be a datetime (local time if it has no zone), or
    a timedelta from the run's start.
    """

    encoding: str | None
    sheet: str | None
    model: str | None
    name: str | None
    set: Mapping[str, object] | str | None
    only: str | Iterable[object] | None
    limit: int | None
    shard: str | None
    images_to: str | None
    check_images: bool
    to: StrPath | None
    ledger_to: str | None
    rate: int | None
    concurrency: int | None
    downloads: int | None
    first_poll: float | None
    poll_every: float | None
    spare_share: float | None
    retry_failed: bool
    in_doubt: Literal["hold", "resubmit"] | None
    reuse: bool
    xlsx: bool
    max_tasks: int | None
    budget: float | None
    budget_per_day: float | None
    price: Mapping[str, float] | None
    callback_url: str | None
    callback_listen: str | None
    emulator: bool
    base_url: str | None
    api_key_file: StrPath | None
    deadline: str | datetime | timedelta | None
    ping: str | None
    notify: str | None
    metrics: StrPath | None
    verbose: bool


def _flags(command: str) -> dict[str, click.Option]:
    """The flags of a command, as far as they are options here, by their names."""
    return {
        max(param.opts, key=len).removeprefix("--").replace("-", "_"): param
        for param in group.commands[command].params
        if isinstance(param, click.Option) and param.name not in _OF_A_TERMINAL | _OF_A_BATCH
    }


def _explained() -> str:
    """The options with the help of their flags."""
    flags = _flags("run")
    return "\n".join(f"    {name}: {_help(flags[name])}" for name in Options.__annotations__ if name in flags)


def _help(flag: click.Option) -> str:
    return f"{flag.help}  [default: {flag.default}]" if flag.show_default else str(flag.help)


Options.__doc__ = f"{Options.__doc__}\n{_explained()}\n"


def check_names(options: Iterable[str], command: str = "run") -> None:
    """Raise :class:`UsageError` for what is no option of the command's."""
    known = _flags(command)
    for name in options:
        if name not in known:
            near = [each.replace("_", "-") for each in get_close_matches(name, known, 1)]
            named = "help(batchgen.Options) names them" if command == "run" else f"batchgen {command} --help names them"
            hint = f"did you mean --{near[0]}?" if near else named
            raise UsageError(f"no such option --{name.replace('_', '-')}: {hint}")


def taken(options: Mapping[str, object]) -> Options:
    """The options, with the ids of ``only`` taken out of what holds them: that may be read once alone, or change later.

    Raises :class:`UsageError` for what is no option, and for ids that are none.
    """
    check_names(options)
    only = options.get("only")
    return cast(Options, {**options, "only": identities("--only", only)} if is_several(only) else options)


@dataclass(frozen=True)
class Given:
    """What the options ask for."""

    settings: Settings
    verbose: bool
    notices: Mapping[str, Any]  # whom to tell how it ended: ping, notify, metrics


def read_options(batch: Path, manifest: Path | None, key: str | None, options: Mapping[str, object]) -> Given:
    """What a run goes by. Raises what the command line would say, as an exception."""
    options = dict(taken(options))
    ids = options.pop("only") if isinstance(options.get("only"), tuple) else None
    words = [*_words(options), *([f"--batch={batch}"] if manifest else []), "--", str(manifest or batch)]
    flags = _parse("run" if manifest else "resume", words)
    flags |= {} if ids is None else {"only": ids}
    settings = to_settings(flags.pop("batch"), flags.pop("manifest", None), key=key, **flags)
    return Given(settings, flags["verbose"], {name: flags[name] for name in ("ping", "notify", "metrics")})


def _parse(name: str, words: list[str]) -> dict[str, Any]:
    for word in words:
        if "\0" in word:  # which a command line never does
            raise UsageError(f"{word!r} holds a NUL character; leave it out")
    params = [param for param in group.commands[name].params if param.name not in _OF_A_TERMINAL]
    command = click.Command(name, params=params, add_help_option=False)
    try:
        return command.make_context(name, words).params
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None


def _words(options: Mapping[str, object]) -> Iterator[str]:
    flags = _flags("run")
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if is_several(value) and not flags[name].multiple:
            form = f": {flags[name].metavar}" if flags[name].metavar else ""
            raise UsageError(f"{flag} is given a {type(value).__name__}, and takes one value{form}")
        if value is True:
            yield flag
        elif value is not None and value is not False:
            yield from (f"{flag}={word}" for word in _values(value))


def _values(value: object) -> Iterable[str]:
    """The words that a flag is given, one each time: several for a mapping or a list."""
    if isinstance(value, Mapping):
        return [f"{name}={'' if item is None else item}" for name, item in value.items()]
    if isinstance(value, PathLike):
        return [fspath(value)]
    if isinstance(value, datetime):
        return [value.isoformat(timespec="seconds")]
    if isinstance(value, timedelta):
        return [_duration(value)]
    return map(str, value) if is_several(value) else [str(value)]


def _duration(value: timedelta) -> str:
    """As a flag has it: ``1h30m``; parts of a second are left out."""
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{part}{unit}" for part, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if part) or "0s"
