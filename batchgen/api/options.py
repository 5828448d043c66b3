"""Keyword arguments -> Settings, by way of the command line's own flags: the same names, checks and defaults."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict

import click

from batchgen.arguments import to_settings
from batchgen.cli import group
from batchgen.errors import UsageError
from batchgen.settings import Settings

StrPath: TypeAlias = str | PathLike[str]

# What only a terminal has: nothing is printed here, and nothing read from standard input.
_OF_A_TERMINAL = frozenset({"as_json", "quiet", "plain", "form"})


class Options(TypedDict, total=False):
    """The flags of ``batchgen run``, with ``_`` for ``-``; ``batchgen run --help`` says what each means.

    What is left out, or None, is as on the command line. ``price`` and ``set`` are like ``{"720p": 0.08}``; in ``set``
    None leaves a parameter to the service.
    """

    encoding: str | None
    sheet: str | None
    model: str | None
    name: str | None
    set: Mapping[str, object] | str | None
    only: str | None
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
    deadline: str | None
    ping: str | None
    notify: str | None
    metrics: StrPath | None
    verbose: bool


def _explained() -> str:
    """The options with the help of their flags."""
    helps = {
        max(param.opts, key=len).removeprefix("--").replace("-", "_"): param.help
        for param in group.commands["run"].params
        if isinstance(param, click.Option)
    }
    return "\n".join(f"    {name}: {helps[name]}" for name in Options.__annotations__ if name in helps)


Options.__doc__ = f"{Options.__doc__}\n{_explained()}\n"


def check_names(options: Iterable[str]) -> None:
    """Raise :class:`UsageError` for what is no option."""
    for name in options:
        if name not in Options.__annotations__:
            near = [known.replace("_", "-") for known in get_close_matches(name, Options.__annotations__, 1)]
            hint = f"did you mean --{near[0]}?" if near else "help(batchgen.Options) names them"
            raise UsageError(f"no such option --{name.replace('_', '-')}: {hint}")


@dataclass(frozen=True)
class Given:
    """What the options ask for."""

    settings: Settings
    verbose: bool
    telling: Mapping[str, Any]  # whom to tell how it ended: ping, notify, metrics


def read_options(batch: Path, manifest: Path | None, key: str | None, options: Mapping[str, object]) -> Given:
    """What a run goes by. Raises what the command line would say, as an exception."""
    check_names(options)
    words = [*_words(options), *([f"--batch={batch}"] if manifest else []), "--", str(manifest or batch)]
    flags = _parse("run" if manifest else "resume", words)
    verbose, telling = flags.pop("verbose"), {name: flags.pop(name) for name in ("ping", "notify", "metrics")}
    settings = to_settings(flags.pop("batch"), flags.pop("manifest", None), key=key, **flags)
    return Given(settings, verbose, telling)


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
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        elif value is not None and value is not False:
            yield from (f"{flag}={word}" for word in _values(value))


def _values(value: object) -> Iterable[str]:
    """What a flag is given: a mapping and a list repeat it."""
    if isinstance(value, Mapping):
        return [f"{name}={'' if item is None else item}" for name, item in value.items()]
    if isinstance(value, PathLike):
        return [fspath(value)]
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [str(item) for item in value]
    return [str(value)]
