"""``--set resolution=720p``: values that stand, for the whole batch, in the place of what the manifest says. Pure.

A value that is set goes through the same rules as a cell, together with the rest of its row: so ``--set seeds=1-4``
makes four videos of each row, and a mode that does not fit a row's images is told at that row.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from batchgen.errors import UsageError
from batchgen.manifest.headings import canonical
from batchgen.manifest.quoting import alternatives, did_you_mean, quoted
from batchgen.manifest.rules import KNOWN, Cells, Rules

NOTHING_SET: Mapping[str, str] = MappingProxyType({})
SETTABLE = tuple(name for name in KNOWN if name != "id")
_PAIR = {"seed": "seeds", "seeds": "seed"}  # two names of one thing: what is set of one empties the other


def parse(settings: Iterable[str], *, model: str) -> Mapping[str, str]:
    """Return what ``NAME=VALUE`` sets, by parameter; an empty value means the service's default.

    Raises UsageError for a name that is no parameter, one that is set twice, and a value that is none of it.
    """
    found: dict[str, str] = {}
    for setting in settings:
        name, value = _split(setting)
        if name in found or _PAIR.get(name) in found:
            raise UsageError(f"--set {name} is given twice; give it once")
        found[name] = value
    _check(found, Rules(model))
    emptied = {_PAIR[name]: "" for name in found if name in _PAIR}
    return MappingProxyType(found | emptied)


def _split(setting: str) -> tuple[str, str]:
    text, sign, value = setting.partition("=")
    if not sign:
        raise UsageError(f"--set {quoted(setting)} sets nothing; write it as NAME=VALUE, such as resolution=720p")
    name = canonical(text)
    if name == "id":
        raise UsageError("--set id would give every row the same id; leave it out")
    if name is None:
        hint = did_you_mean(text, SETTABLE)
        raise UsageError(f"--set {quoted(text)} is not a parameter; write {alternatives(SETTABLE)}{hint}")
    if name == "prompt" and not value.strip():
        raise UsageError("--set prompt= would leave no row a prompt; write one")
    return name, value


def _check(found: Mapping[str, str], rules: Rules) -> None:
    """Each value is judged by itself; whether it fits a row is told at the row."""
    for name, value in found.items():
        _, findings = rules.judge(Cells(**{"prompt": "x", name: value}))
        for finding in findings:
            if finding.fatal and finding.parameter == name:
                raise UsageError(f"--set {name}: {finding.message}")
