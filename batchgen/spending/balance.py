"""The account's balance, beside what a run may cost."""

import logging
from collections.abc import Callable

from batchgen.account import Account
from batchgen.catalog import MICRO
from batchgen.ledger import Ledger, money
from batchgen.ledger.expected import pending_kinds
from batchgen.service.client import Client
from batchgen.spending.limits import Spending
from batchgen.steps.answers import note_answer
from batchgen.words import many, money_words

log = logging.getLogger("batchgen")


async def compare(
    client: Client, account: Account, ledger: Ledger, spending: Spending, say: Callable[[str], None]
) -> None:
    """Say what the run will cost, and whether the account has it, where the service tells."""
    kinds = tuple(pending_kinds(ledger))
    estimate = money.estimate(kinds, spending.price) / MICRO
    if not estimate:
        return
    if not ledger.is_free:
        limited = ", as far as the limits allow" if spending.has_limits else ""
        tasks = many(sum(kind.tasks for kind in kinds), "task")
        say(f"to be paid for: {tasks}, up to {money_words(estimate)}{limited}")
    await account.turn()
    balance = await client.balance()
    note_answer(account, balance.word, balance.retry_after, balance.message)
    if balance.usd is not None and balance.usd < estimate:
        say(f"the account has {money_words(balance.usd)}; what is pending may cost up to {money_words(estimate)}")
    log.info("estimate", extra={"usd": estimate, "balance": balance.usd})
