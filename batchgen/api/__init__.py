"""Batches from Python: the command line's verbs and options, the same ledger and lock, nothing printed."""

from batchgen.api.batch import Batch
from batchgen.api.options import Options
from batchgen.api.running import Run

__all__ = ["Batch", "Options", "Run"]
