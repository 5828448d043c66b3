"""What runs have learned of a service, and of an account there: kept in the ledger, and for the user's other batches.

One small file a user, written at the end of each run that asked for something. It is a convenience: where it cannot be
read or written, a batch begins with the document's figures and nothing fails.
"""

import json
from contextlib import suppress
from hashlib import sha256

from batchgen.account import Account
from batchgen.errors import LedgerError
from batchgen.ledger import Ledger
from batchgen.model import object_in
from batchgen.service.polling import Polling
from batchgen.settings import Settings
from batchgen.system import awake
from batchgen.system.private import replacing, user_file

NAME = "learned.json"  # of the user's file
MOST_ENTRIES = 32
_MARK_DIGITS = 12


def account_of(settings: Settings, ledger: Ledger) -> Account:
    """The account, with what was learned of its limits by this batch, or else by another one."""
    memory = _memory(settings, ledger, "account", account_name(settings.service, settings.key))
    return Account(settings.rate, settings.concurrency, awake.Clock(), memory=memory)


def polling_of(settings: Settings, ledger: Ledger) -> Polling:
    """When to ask, with what was learned by this batch, or else by another one."""
    memory = _memory(settings, ledger, "polling", settings.service)
    return Polling(settings.first_poll, settings.poll_every, spare_share=settings.spare_share, memory=memory)


def _memory(settings: Settings, ledger: Ledger, fact: str, name: str) -> str | None:
    memory = ledger.fact(fact)
    return recall(name) if memory is None and not settings.rehearsal else memory


def keep(settings: Settings, ledger: Ledger, account: Account, polling: Polling) -> None:
    """Keep what a run has learned, for the next one and for other batches."""
    with suppress(LedgerError):  # a full disk: the next run learns it anew
        ledger.remember({"account": account.memory(), "polling": polling.memory()})
    if not settings.rehearsal:
        record(settings.service, polling.memory())
        record(account_name(settings.service, settings.key), account.memory())


# -- the user's file


def account_name(service: str, key: str) -> str:
    """The name under which an account's limits are kept; of the key it has a part of a hash alone."""
    return f"{service} {sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:_MARK_DIGITS]}"


def recall(name: str) -> str | None:
    """What was learned of a service (as :meth:`Polling.memory` gave it) or an account (:meth:`Account.memory`), if any.

    ``name`` is the service's, or that of :func:`account_name`.
    """
    known = _known().get(name)
    return known if isinstance(known, str) else None


def record(name: str, memory: str) -> None:
    """Keep what a run has learned; of kinds of task that it did not meet, what was known stays."""
    file, known = user_file(NAME), _known()
    facts = object_in(str(known.pop(name, ""))) | object_in(memory)
    known[name] = json.dumps(facts, separators=(",", ":"))  # the last: those not met for longest go first
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(file, shared=True, encoding="utf-8") as part:
            json.dump(dict(list(known.items())[-MOST_ENTRIES:]), part)


def _known() -> dict[str, object]:
    try:
        return object_in(user_file(NAME).read_bytes())
    except OSError:
        return {}
