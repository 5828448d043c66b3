"""The options of Python are the flags of the command line."""

import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_type_hints

import click
import pandas as pd
import pytest

from batchgen import Batch, Options, UsageError
from batchgen.api.options import read_options
from batchgen.cli import group

TERMINAL = {"--json", "--quiet", "--plain", "--format"}
OF_BATCH = {"--batch"}


def flags(command: str) -> set[str]:
    return {word for param in group.commands[command].params if isinstance(param, click.Option) for word in param.opts}


def settings(**options: object) -> Any:
    return read_options(Path("b"), Path("p.csv"), "k", options).settings


@pytest.mark.parametrize("command", ["run", "resume"])
def test_each_flag_is_an_option_and_each_option_a_flag(command: str) -> None:
    named = {f"--{name.replace('_', '-')}" for name in Options.__annotations__}
    assert named == flags(command) - TERMINAL - OF_BATCH


def test_options_are_typed_as_their_flags() -> None:
    words = {bool: click.BOOL, int: click.INT, float: click.FLOAT, str: click.STRING}
    hints = {name: str(hint) for name, hint in get_type_hints(Options).items()}
    for param in group.commands["run"].params:
        name = max(param.opts, key=len).removeprefix("--").replace("-", "_")
        if name not in hints or param.multiple or isinstance(param.type, click.Choice | click.Path) or name == "to":
            continue
        kind = next(kind for kind, of_flag in words.items() if isinstance(param.type, type(of_flag)))
        assert hints[name].startswith((kind.__name__, f"<class '{kind.__name__}'>")), name


def test_what_is_left_out_or_none_or_false_is_as_on_the_command_line() -> None:
    plain = settings()
    assert settings(rate=None, reuse=False, budget=None) == plain
    assert (plain.rate, plain.concurrency, plain.downloads, plain.limits.budget) == (10000, 1000, 32, None)


def test_values_mean_what_they_mean_as_flags() -> None:
    made = settings(
        rate=60,
        budget=1e-05,
        in_doubt="resubmit",
        to=Path("videos"),
        price={"720p": 0.5},
        first_poll=2,
        model="wan-2-5",
    )
    assert (made.rate, made.limits.budget, made.resubmit_in_doubt, made.destination) == (60, 1e-05, True, "videos")
    assert (made.limits.prices.usd_per_second["720p"], made.first_poll) == (0.5, 2.0)


def test_what_is_no_option_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such option --buget: did you mean --budget\?"):
        Batch(tmp_path / "p.csv", buget=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"buget": 5}, "--budget"),
        ({"budget": float("nan")}, "--budget': nan is not a number"),
        ({"budget_per_day": float("inf")}, "--budget-per-day': inf is not a number"),
        ({"spare_share": float("nan")}, "--spare-share': nan is not a number"),
        ({"rate": 0}, "--rate"),
        ({"downloads": 5.5}, "--downloads"),
        ({"in_doubt": "ask"}, "--in-doubt"),
        ({"price": {"4k": 1}}, "--price 4k=1"),
        ({"json": True}, "--json"),
        ({"help": True}, "--help"),
        ({"base_url": "http://example.com"}, "https"),
        ({"callback_url": "https://me.example"}, "--callback-listen"),
    ],
)
def test_a_wrong_option_is_refused_in_the_words_of_the_command_line(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        settings(**options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"shard": (1, 2)}, "--shard is given a tuple, and takes one value: I/N"),
        ({"limit": [3]}, "--limit is given a list, and takes one value: N"),
        ({"name": {"a": "b"}}, "--name is given a dict, and takes one value: TEMPLATE"),
        ({"in_doubt": pd.Series(["hold"])}, "--in-doubt is given a Series, and takes one value"),
        ({"reuse": {True}}, "--reuse is given a set, and takes one value"),
    ],
)
def test_several_values_where_one_is_wanted_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        settings(**options)


def test_only_is_the_text_of_the_flag_or_ids_which_are_read_once(tmp_path: Path) -> None:
    assert [term.text for term in settings(only="a,b*").selection.only] == ["a", "b*"]
    assert settings(only=["a,b*", "12-20"]).selection.ids == {"a,b*", "12-20"}
    batch = Batch([{"prompt": "a"}], batch=tmp_path / "b", emulator=True, only=(name for name in "xy"))
    for _ in range(2):
        assert batch._given({}).settings.selection == settings(only=["x", "y"]).selection
    assert batch._given({"only": None}).settings.selection is None


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime.fromisoformat("2126-11-26T06:00:00.900"), "2126-11-26T06:00:00"),
        (datetime(2126, 11, 26, 6, tzinfo=UTC), "2126-11-26T06:00:00+00:00"),
        (pd.Timestamp("2126-11-26 06:00"), "2126-11-26T06:00:00"),
        (timedelta(hours=4), "4h"),
        (pd.Timedelta("20 days 00:01:30"), "480h1m30s"),
        (timedelta(0), "0s"),
    ],
)
def test_a_deadline_may_be_a_moment_or_a_duration(moment: object, text: str) -> None:
    made = settings(deadline=moment).deadline
    assert (made.text, made.wall) == (text, settings(deadline=text).deadline.wall)


@pytest.mark.parametrize("moment", [pd.Timestamp(0), pd.NaT, timedelta(hours=-4), date(2126, 11, 26)])
def test_a_deadline_that_is_none_is_refused(moment: object) -> None:
    with pytest.raises(UsageError, match="--deadline"):
        settings(deadline=moment)


def test_the_help_of_the_options_tells_the_defaults_that_the_command_line_tells() -> None:
    context = click.Context(group.commands["run"])
    told = dict(re.findall(r"^ {4}(\w+): (.*)$", str(Options.__doc__), re.MULTILINE))
    for name in Options.__annotations__:
        (param,) = (each for each in group.commands["run"].params if f"--{name.replace('_', '-')}" in each.opts)
        _, words = param.get_help_record(context) or ("", "")
        assert re.findall(r"\[default: ([^];]*)", told[name]) == re.findall(r"\[default: ([^];]*)", words), name
    assert "[default: 10000]" in told["rate"]


def test_what_is_set_to_none_is_left_to_the_service() -> None:
    assert settings(set={"negative_prompt": None, "seed": 0}).overrides == ("negative_prompt=", "seed=0")


@pytest.mark.parametrize("url", ["https://[x", "https://me.example:x/y", "https://me.example/?a", "me.example", "//x"])
def test_a_callback_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is not an address; write it like"):
        settings(callback_url=url, callback_listen="127.0.0.1:8080")


def test_an_option_of_a_run_holds_for_that_run_alone(tmp_path: Path) -> None:
    batch = Batch([{"prompt": "a"}], batch=tmp_path / "b", emulator=True, max_tasks=5)
    assert batch._given({"max_tasks": 0}).settings.limits.max_tasks == 0
    assert batch._given({}).settings.limits.max_tasks == 5


def test_to_import_it_loads_nothing() -> None:
    code = (
        "import sys, batchgen; dir(batchgen); "
        "slow = 'pandas boto3 aiohttp yaml av rich sqlite3 click asyncio'.split(); "
        "print([name for name in slow if name in sys.modules]); from batchgen import Batch; "
        "print([name for name in slow[:7] if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_help_names_what_there_is() -> None:
    code = "import batchgen, pydoc; print(pydoc.render_doc(batchgen, renderer=pydoc.plaintext))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for words in ("class Batch", "class Run", "class ManifestError", "run_async(", "results(self", "budget: "):
        assert words in said, words


def test_every_public_name_is_there() -> None:
    import batchgen

    for name in batchgen.__all__:
        assert getattr(batchgen, name).__doc__, name
    with pytest.raises(AttributeError):
        _ = batchgen.nothing


HALF, NUL = "a\udcff", "a\0b"
TEXTS = sorted(name for name, hint in get_type_hints(Options).items() if "str" in str(hint))


@pytest.mark.parametrize("text", [HALF, NUL, "{id}" + HALF, "s3://bucket/" + HALF, "9" * 5000])
@pytest.mark.parametrize("name", TEXTS)
def test_whatever_a_text_holds_is_taken_or_told_and_what_is_taken_can_be_written_down(name: str, text: str) -> None:
    options: dict[str, object] = {name: text}
    if name.startswith("callback"):
        options = {"callback_url": "https://me.example", "callback_listen": "127.0.0.1:1"} | options
    if name == "price":
        options = {name: {"720p": text}}
    try:
        made = settings(**options)
    except UsageError:
        return
    texts = [each for value in vars(made).values() for each in (value if isinstance(value, tuple) else (value,))]
    assert not [each for each in texts if isinstance(each, str) and (HALF in each or NUL in each)]


@pytest.mark.parametrize("name", ["rate", "concurrency", "first_poll", "budget", "budget_per_day", "max_tasks"])
@pytest.mark.parametrize("number", [10**400, 1e303, float("nan"), float("inf"), -1])
def test_a_number_that_nobody_can_mean_is_told(name: str, number: float) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}"):
        settings(**{name: number})
