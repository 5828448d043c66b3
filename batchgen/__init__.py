"""Videos from a spreadsheet of prompts, each paid for once.

    from batchgen import Batch

    batch = Batch("prompts.csv", emulator=True)   # or a DataFrame, a list of dicts, a batch's folder
    print(batch.plan())                           # what a run would cost; nothing is sent
    summary = batch.run(progress=print)           # or: await batch.run_async()
    frame = batch.results()                       # a pandas DataFrame

``help(batchgen.Batch)`` says more, ``help(batchgen.Options)`` names the options; ``batchgen --help`` is the command
line.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    raise ImportError("batchgen runs on Linux and macOS; on Windows, install it within WSL")

if TYPE_CHECKING:
    from batchgen.api import Batch, Options, Run
    from batchgen.api.results import Result
    from batchgen.errors import (
        AccountError,
        ArchiveError,
        BatchBusyError,
        BatchgenError,
        LedgerError,
        LimitReachedError,
        ManifestError,
        UsageError,
    )
    from batchgen.planning.plan import Plan
    from batchgen.steering.progress import Standing
    from batchgen.steering.status import Status
    from batchgen.summary import Summary
    from batchgen.videos.verify import Verified

__version__ = "0.1.0"
__all__ = [
    "AccountError",
    "ArchiveError",
    "Batch",
    "BatchBusyError",
    "BatchgenError",
    "LedgerError",
    "LimitReachedError",
    "ManifestError",
    "Options",
    "Plan",
    "Result",
    "Run",
    "Standing",
    "Status",
    "Summary",
    "UsageError",
    "Verified",
]
_HOMES = {
    "batchgen.api": ("Batch", "Options", "Run"),
    "batchgen.api.results": ("Result",),
    "batchgen.planning.plan": ("Plan",),
    "batchgen.steering.progress": ("Standing",),
    "batchgen.steering.status": ("Status",),
    "batchgen.summary": ("Summary",),
    "batchgen.videos.verify": ("Verified",),
}


def __getattr__(name: str) -> Any:  # loaded when asked for: the command line needs none of it
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "batchgen.errors")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
