"""batchgen: videos from a spreadsheet of prompts, each paid for once."""

__version__ = "0.1.0"
