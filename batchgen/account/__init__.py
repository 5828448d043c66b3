"""What the account allows, and what is learned of it from the service's answers."""

from batchgen.account.account import Account

__all__ = ["Account"]
