"""The files that `batchgen init` writes."""
