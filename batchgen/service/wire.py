"""JSON to nouns and back: the only file that knows the service's field names, states and codes.

Every fact is from the API's document, unless it says otherwise. Errors may come as an HTTP status or as ``code`` in a
200; states, codes and fields that the document does not know are tolerated.
"""

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from batchgen.model import object_in
from batchgen.request import Request

INPUT_FIELDS = (
    "mode", "prompt", "resolution", "duration", "aspect_ratio", "image_urls", "negative_prompt", "seed",
    "enable_prompt_expansion"
)  # fmt: skip


class Verdict(Enum):
    """What the answer to a submit proves."""

    ACCEPTED = "accepted"  # a task is paid, and this is its id
    REFUSED = "refused"  # not paid; this request will never do
    BUSY = "busy"  # not paid; later
    ACCOUNT = "account"  # not paid; no request of this account will do
    MISDIRECTED = "misdirected"  # not paid; this is not the service, or it does not know the model
    NEVER_SENT = "never sent"  # not paid: the request did not leave, or was refused and its reason broke off
    UNKNOWN = "unknown"  # perhaps paid


# The whole table of refusals; a status or code that is not in it proves nothing, and the task may be paid.
VERDICTS = {
    400: Verdict.REFUSED,
    401: Verdict.ACCOUNT,
    429: Verdict.BUSY,
    # Seen in the vendor's other pages.
    402: Verdict.ACCOUNT,  # the balance
    403: Verdict.ACCOUNT,  # the key, or the content: its words tell
    404: Verdict.MISDIRECTED,
    # As HTTP means them.
    405: Verdict.MISDIRECTED,
    413: Verdict.REFUSED,
    415: Verdict.REFUSED,
    422: Verdict.REFUSED,
    **dict.fromkeys((301, 302, 303, 307, 308), Verdict.MISDIRECTED),
}
_OF_ALL = (401, 402)  # whoever says so: a firewall or a load balancer says others, of one request
_OUT_OF_CREDITS = 402
_AT_WORK = frozenset({"pending", "processing"})
_PICTURE = re.compile(r"\.(jpe?g|png|webp|gif)$", re.IGNORECASE)
_QUERY = re.compile(r"(https?://[^\s?\"'<>]*)\?[^\s\"'<>]*", re.IGNORECASE)
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Whole words, in sentences and in codes (NO_CREDITS): "notable fundraiser", which may be of a prompt, says nothing of
# money, and neither does a parameter behind a "no" ("no such field: color_balance").
_CREDITS = re.compile(
    r"(?<![a-z])(insufficient|not[ _]enough)(?![a-z]).{0,20}(?<![a-z])(credits?|balance|funds?)(?![a-z])"
    r"|\b(no|out of|exhausted)\b.{0,20}\b(credits?|balance|funds?)\b"
    r"|(?<![a-z])(no|out_of|exhausted)_(\w{0,20}_)?(credits?|balance|funds?)(?![a-z])",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"(?<![a-z])(content(?![-_]type)|safety|(?<!case[-_ ])sensitive|prohibited|violat[a-z]*|nsfw|moderat[a-z]*)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_NAMED_TASK = re.compile(rb'"taskId"\s*:\s*"([!#-\[\]-~]{1,1024})"')
_CALLBACK_TASK_ID = re.compile(r"[!-~]{1,1024}")
_EARLIEST, _LATEST = 1_577_836_800, 4_102_444_800  # 2020 and 2100: Unix seconds
_MOST_ID_LETTERS = 1024  # a signed token has hundreds
_LONGEST_MS = 15 * 86_400_000  # links die by then
# As in MODEL_UNAVAILABLE and PROCESSING_TIMEOUT, of the vendor's other pages; of an unknown code nothing is concluded.
_OF_SERVICE = re.compile(
    r"^(?!.*(image|url|prompt)).*(?<![a-z])(unavailable|overload(ed)?|internal|processing_time_?out)(?![a-z])",
    re.IGNORECASE | re.DOTALL,
)
CREDITS_FAIL_CODE = "INSUFFICIENT_CREDITS"  # seen in the vendor's other pages


class TaskWord(Enum):
    """What the answer to a status call says."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    MISSING = "missing"  # the service does not know the task (now)
    BUSY = "busy"
    ACCOUNT = "account"
    TROUBLE = "trouble"  # no answer, or none that can be read


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as it came."""

    status: int
    body: bytes
    retry_after: float | None = None  # seconds
    is_cut: bool = False  # the body broke off: it is empty here, but for one that names an accepted task


@dataclass(frozen=True)
class Submitted:
    """The outcome of a submit; ``message`` is for people."""

    verdict: Verdict
    message: str = ""
    code: str | None = None
    task_id: str | None = None
    retry_after: float | None = None  # seconds
    is_bare: bool = False  # a refusal in no envelope: perhaps not the service's, and of this request alone
    is_of_credits: bool = False  # a refusal of all: there are none left


@dataclass(frozen=True)
class TaskStatus:
    """The outcome of a status call; ``message`` is for people."""

    word: TaskWord
    message: str = ""
    urls: tuple[str, ...] = ()
    fail_code: str | None = None
    created_at: float | None = None  # Unix seconds
    completed_at: float | None = None  # Unix seconds
    generation_ms: int | None = None
    retry_after: float | None = None  # seconds
    is_answered: bool = True  # False: nothing came


@dataclass(frozen=True)
class Balance:
    """The outcome of asking for the balance: ``BUSY``, ``TROUBLE`` where the service fails, or else ``SUCCESS``.

    A refusal is ``SUCCESS``, too: not every service tells a balance, and whether the key will do a submit tells.
    """

    word: TaskWord
    usd: float | None = None  # where the service tells
    message: str = ""  # for people, where it is trouble
    retry_after: float | None = None  # seconds


def submit_body(request: Request, callback_url: str | None) -> bytes:
    """The body of generateTask; what the request leaves open is left out."""
    values = {name: getattr(request, name) for name in INPUT_FIELDS}
    body: dict[str, Any] = {"request_type": "callback" if callback_url else "async"}
    if callback_url:
        body["callback_url"] = callback_url
    if request.provider is not None:
        body["provider"] = request.provider
    body["input"] = {name: value for name, value in values.items() if value is not None and value != ()}
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


def read_submitted(answer: Answer) -> Submitted:
    """What an answer to generateTask proves."""
    envelope = object_in(answer.body)
    code = _number(envelope.get("code"))
    is_bare = code is None and answer.status not in _OF_ALL
    message = _text(envelope.get("message"))
    if not 200 <= answer.status < 300:
        verdict = VERDICTS.get(answer.status, Verdict.UNKNOWN)
        # Of two refusals the one in the envelope is the more exact: a 400 may hold a code for the account.
        code = code if code in VERDICTS and verdict in (Verdict.REFUSED, Verdict.ACCOUNT) else answer.status
    verdict = _refine(VERDICTS.get(code or 0, Verdict.UNKNOWN), message)
    task_id = _task_id(envelope) or (named_task(answer.body) if not envelope else None)
    if task_id:  # whatever else is wrong, or said: the task has a name, and can be asked about
        return Submitted(Verdict.ACCEPTED, task_id=task_id)
    if verdict is Verdict.UNKNOWN and code in (0, 200):
        message = "the answer has no task id that can be read"
    if answer.is_cut and verdict is Verdict.REFUSED:  # of this row, or of the account? the next try tells
        verdict = Verdict.NEVER_SENT
    return Submitted(
        verdict,
        _words(answer, message),
        code=str(code) if code is not None else None,
        retry_after=answer.retry_after,
        is_bare=is_bare and verdict in (Verdict.ACCOUNT, Verdict.MISDIRECTED),
        is_of_credits=verdict is Verdict.ACCOUNT and (code == _OUT_OF_CREDITS or _is_of_credits(message)),
    )


def read_status(answer: Answer, task_id: str) -> TaskStatus:
    """What an answer to statusTask says of the task; one about another task than ``task_id`` says nothing."""
    envelope = object_in(answer.body)
    message = _text(envelope.get("message"))
    code = answer.status if not 200 <= answer.status < 300 else _number(envelope.get("code"))
    data = envelope.get("data")
    if code in (200, 0, None) and isinstance(data, dict) and data.get("state"):
        if _task_id(envelope) not in (task_id, None):
            return TaskStatus(TaskWord.TROUBLE, "the service answered about another task")
        return _task(data)
    words = {
        400: TaskWord.MISSING,
        401: TaskWord.ACCOUNT,
        403: TaskWord.ACCOUNT if _is_of_account(envelope, message) else TaskWord.TROUBLE,
        404: TaskWord.MISSING,
        429: TaskWord.BUSY,
    }
    word = words.get(code or 0, TaskWord.TROUBLE)
    return TaskStatus(word, _words(answer, message), retry_after=answer.retry_after)


def _is_of_account(envelope: dict[str, Any], message: str) -> bool:
    """Whether a 403 is the service's own word on the key: no firewall's, and not on what a video shows."""
    return _number(envelope.get("code")) is not None and _refine(Verdict.ACCOUNT, message) is Verdict.ACCOUNT


def read_balance(answer: Answer) -> Balance:
    """What an answer says of the account's balance (from the vendor's other pages)."""
    envelope = object_in(answer.body)
    balance: Any = envelope.get("data")
    if 429 in (answer.status, _number(envelope.get("code"))):
        return Balance(TaskWord.BUSY, retry_after=answer.retry_after)
    if answer.status >= 500 or (200 <= answer.status < 300 and not envelope):
        return Balance(TaskWord.TROUBLE, message=_words(answer, ""))
    is_number = isinstance(balance, int | float) and not isinstance(balance, bool)
    usd = float(balance) if is_number and answer.status == 200 and abs(balance) < 2**53 else None
    return Balance(TaskWord.SUCCESS, usd)


def _words(answer: Answer, message: str) -> str:
    """What the service said; where it is the service that fails, with the status, which tells more."""
    if answer.status >= 500:
        return f"HTTP {answer.status}: {message}" if message else f"HTTP {answer.status}"
    return message or f"the service answered {answer.status} without a word that can be read"


def _task(data: dict[str, Any]) -> TaskStatus:
    times: dict[str, Any] = {
        "created_at": _moment(data.get("createTime")),
        "completed_at": _moment(data.get("completeTime")),
        "generation_ms": _stretch(data.get("costTime")),
    }
    state, urls, fail_code = str(data["state"]).strip().lower(), _urls(data.get("resultJson")), _code(data)
    is_other = state not in _AT_WORK  # a word that the document does not know: what comes with it tells
    if state == "success" or (is_other and urls and not fail_code and state != "failed"):
        return TaskStatus(TaskWord.SUCCESS, urls=urls, **times)
    if state == "failed" or (is_other and fail_code):
        return TaskStatus(TaskWord.FAILED, _text(data.get("failMsg")), fail_code=fail_code or "UNKNOWN", **times)
    return TaskStatus(TaskWord.RUNNING, state, **times)


def _code(data: dict[str, Any]) -> str:
    code = data.get("failCode")
    return str(code) if isinstance(code, int) and not isinstance(code, bool) and code else _text(code)


def is_of_service(fail_code: str | None) -> bool:
    """Whether a task failed for what the service lacks, as others would."""
    return _OF_SERVICE.search(_HUMPS.sub("_", fail_code or "")) is not None


def callback_address(url: str, token: str) -> str:
    """Where the service is asked to send an attempt's callback."""
    return f"{url.rstrip('/')}/{token}"


def read_callback(body: bytes) -> str | None:
    """The task id in a callback's body; raises ValueError for what is no envelope.

    That it is the status envelope, the vendor's other pages say. Nothing else in it is of use: nobody signs it.
    """
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(envelope, dict):
        raise ValueError("no envelope")
    task_id = _task_id(envelope if isinstance(envelope.get("data"), dict) else {"data": envelope})
    return task_id if task_id and _CALLBACK_TASK_ID.fullmatch(task_id) else None


def _urls(result: Any) -> tuple[str, ...]:
    """The links of ``resultJson``: documented as a string of JSON, taken as an object too.

    A picture beside the videos, like a cover, is none of them.
    """
    if isinstance(result, str):
        try:
            result = json.loads(result)
        except (ValueError, RecursionError):
            return ()
    urls = result.get("resultUrls") if isinstance(result, dict) else result
    urls = [urls] if isinstance(urls, str) else urls
    if not isinstance(urls, list):
        return ()
    texts = dict.fromkeys([url.strip() for url in urls if isinstance(url, str)])
    links = [url for url in texts if url.lower().startswith(("https://", "http://"))]
    return tuple([link for link in links if not _PICTURE.search(link.partition("?")[0])] or links)


def _refine(verdict: Verdict, message: str) -> Verdict:
    """Codes alone do not tell credits from parameters (a 400 may be either), nor content from the key (a 403)."""
    if verdict is Verdict.REFUSED and _is_of_credits(message):
        return Verdict.ACCOUNT
    if verdict is Verdict.ACCOUNT and _CONTENT.search(_HUMPS.sub("_", message)) and not _is_of_credits(message):
        return Verdict.REFUSED
    return verdict


def _is_of_credits(message: str) -> bool:
    return _CREDITS.search(_HUMPS.sub("_", message)) is not None


def _moment(value: Any) -> float | None:
    """Unix seconds of a moment in milliseconds; None for one that cannot be, as where the unit is another."""
    seconds = (_number(value) or 0) / 1000
    return seconds if _EARLIEST < seconds < _LATEST else None


def _stretch(value: Any) -> int | None:
    """Milliseconds; None for what no generation takes."""
    found = _number(value)
    return found if found is not None and 0 <= found <= _LONGEST_MS else None


def _task_id(envelope: dict[str, Any]) -> str | None:
    data = envelope.get("data")
    value = data.get("taskId") if isinstance(data, dict) else None
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if 0 < len(text) <= _MOST_ID_LETTERS and text.isprintable() else None


def named_task(body: bytes | bytearray) -> str | None:
    """The task id that an answer which broke off, or is no JSON, has in it all the same, whole."""
    found = _NAMED_TASK.findall(body)
    return found[0].decode() if len(found) == 1 else None


def _number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    return int(value) if isinstance(value, int | float) and abs(value) < 2**53 else None


def _text(value: Any) -> str:
    """A text of the service's in one line, without the queries of links: it may repeat a link that we have signed."""
    if not isinstance(value, str):
        return ""
    text = _QUERY.sub(r"\1", value)
    return text if text.isprintable() else " ".join("".join(c if c.isprintable() else " " for c in text).split())
