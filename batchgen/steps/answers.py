"""What an answer of the service, or the lack of one, tells the account."""

from batchgen.account import Account
from batchgen.service.client import ASKED
from batchgen.service.wire import TaskWord, Verdict

CAUSE_LETTERS = 100  # of trouble, told while it lasts


def note_answer(
    account: Account, word: Verdict | TaskWord, retry_after: float | None, message: str | None = None
) -> None:
    """Let the account know what came of a request; ``message``: in words."""
    match word:
        case Verdict.BUSY | TaskWord.BUSY:
            account.busy(retry_after, posted=isinstance(word, Verdict))
        case Verdict.UNKNOWN | Verdict.NEVER_SENT:
            account.post_trouble(_short(message or ""), may_be_paid=word is Verdict.UNKNOWN)
        case TaskWord.TROUBLE | TaskWord.ACCOUNT:
            account.trouble(_short(message or ""))
        case _:
            account.answered(posted=isinstance(word, Verdict))


def _short(message: str) -> str:
    """Why a request failed, fit to stand within a line."""
    cause = message.removeprefix(ASKED)
    return cause if len(cause) <= CAUSE_LETTERS else f"{cause[:CAUSE_LETTERS]}..."
