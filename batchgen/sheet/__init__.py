"""From a sheet to the ledger's rows: which they are, how they are named, and their images."""
