"""The nouns that every room speaks: standard library only, no behaviour beyond what a noun knows of itself."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self
from unicodedata import normalize
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

# Query parameters that sign a link. They change with each signing while the image behind the link stays the same,
# and whoever has them can read it. Others of the same vendors choose another image: x-oss-process, versionId.
_SIGNING_PREFIXES = ("x-amz-", "x-goog-")  # AWS SigV4, Google Cloud Storage
_SIGNED_BY = {  # the one that tells -> all that come with it; elsewhere they may mean something else
    "signature": (  # AWS V2, CloudFront, Google Cloud Storage, Alibaba OSS V1
        "signature expires awsaccesskeyid key-pair-id policy googleaccessid ossaccesskeyid security-token"
    ),
    "sig": "sv se sp st sr sig spr ss srt sip skoid sktid skt ske sks skv",  # Azure SAS
    "x-oss-signature": (  # Alibaba OSS V4
        "x-oss-signature x-oss-signature-version x-oss-credential x-oss-date x-oss-expires x-oss-additional-headers "
        "x-oss-security-token"
    ),
    "q-signature": (  # Tencent COS
        "q-sign-algorithm q-ak q-sign-time q-key-time q-header-list q-url-param-list q-signature x-cos-security-token"
    ),
}

ABANDONED = "ABANDONED"  # the fail code of a row that a person gave up
LEDGER = "ledger.sqlite"  # the file in a batch's folder
EMULATOR = "emulator"  # the service of a batch that was made with --emulator, as its ledger remembers it
MOST_STRETCHES = 5  # of lines, that a problem names

# What stands in a request for an image that was a file: its content's SHA-256, and its format.
IMAGE_FILE = re.compile(r"sha256:[0-9a-f]{64}\.(jpg|png|webp)")


def public_url(url: str) -> str:
    """The link without the parameters that sign it: fit to be shown, and the same each time it is signed."""
    parts = urlsplit(url)
    if not parts.query:
        return url
    query = parse_qsl(parts.query, keep_blank_values=True)
    names = {name.lower() for name, _ in query}
    signing = {each for name in names & _SIGNED_BY.keys() for each in _SIGNED_BY[name].split()}
    kept = [
        (name, value)
        for name, value in query
        if not name.lower().startswith(_SIGNING_PREFIXES) and name.lower() not in signing
    ]
    if len(kept) == len(query):
        return url
    return urlunsplit(parts._replace(query=urlencode(kept)))


def is_text(text: str) -> bool:
    """Whether it can be written as UTF-8: what could not be decoded, as on a command line, holds half characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def with_newlines(text: str) -> str:
    r"""The text with its line ends as ``\n``: which ones it has is a matter of who saved it, not of what it says."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def zulu(seconds: float, timespec: str = "seconds") -> str:
    """A moment (Unix seconds) as it is written everywhere: ISO 8601, UTC, like ``2026-11-25T06:00:00Z``.

    Raises :class:`ValueError`, :class:`OverflowError` or :class:`OSError` for one that no calendar has.
    """
    # Without a zone its sign is not written, and the text is had in half the time.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def zulu_or_none(seconds: float | None, timespec: str) -> str | None:
    """As :func:`zulu`; None without a moment, and for one that no calendar has, as an older ledger may hold."""
    try:
        return None if seconds is None else zulu(seconds, timespec)
    except (ValueError, OverflowError, OSError):
        return None


class Quick:
    """A record that need not be made by its constructor: a third of the time, which a million rows notice."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """The record with these fields; what is left out is the class's own default."""
        record = object.__new__(cls)
        record.__dict__.update(facts)
        return record


@dataclass(frozen=True)
class Request(Quick):
    """What the service is asked to make, in the words of the API's document.

    A parameter that is None (or no image) is left out of what is sent, so that the service's default holds.
    """

    model: str
    mode: str
    prompt: str
    resolution: str | None = None
    duration: int | None = None  # seconds
    aspect_ratio: str | None = None
    image_urls: tuple[str, ...] = ()
    negative_prompt: str | None = None
    seed: int | None = None
    enable_prompt_expansion: bool | None = None
    provider: str | None = None

    @property
    def public(self) -> "Request":
        """The request with its image links as :func:`public_url` shows them."""
        if not self.image_urls:
            return self
        urls = tuple(map(public_url, self.image_urls))
        return self if urls == self.image_urls else replace(self, image_urls=urls)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the request: equal for equal requests, however their image links are signed."""
        return digest_of(self.public.to_json()).hex()

    def to_json(self) -> str:
        """The request as the ledger keeps it; read back by :meth:`from_json`."""
        return filled(self.form, self.prompt, self.negative_prompt, self.seed)

    @property
    def form(self) -> "Form":
        """All of the JSON but prompt, negative prompt and seed: what the rows that choose the same have in common."""
        # Written out: a million rows pass here, and the encoder of the standard library takes thrice the time.
        middle, end = "", ""
        if self.resolution is not None:
            middle += f',"resolution":{_quoted(self.resolution)}'
        if self.duration is not None:
            middle += f',"duration":{self.duration}'
        if self.aspect_ratio is not None:
            middle += f',"aspect_ratio":{_quoted(self.aspect_ratio)}'
        if self.image_urls:
            middle += f',"image_urls":[{",".join(map(_quoted, self.image_urls))}]'
        if self.enable_prompt_expansion is not None:
            end += f',"enable_prompt_expansion":{"true" if self.enable_prompt_expansion else "false"}'
        if self.provider is not None:
            end += f',"provider":{_quoted(self.provider)}'
        return f'{{"model":{_quoted(self.model)},"mode":{_quoted(self.mode)},"prompt":', middle, end + "}"

    @classmethod
    def from_json(cls, text: str) -> "Request":
        """The request that :meth:`to_json` wrote."""
        facts = from_json(text)
        if "image_urls" in facts:
            facts["image_urls"] = tuple(facts["image_urls"])
        return cls.of(facts)


Form = tuple[str, str, str]  # of a request's JSON: up to the prompt, up to negative prompt and seed, and the rest

_decode = json.JSONDecoder().raw_decode
_quoted = json.encoder.encode_basestring  # a string as JSON, its letters as they are


def filled(form: Form, prompt: str, negative_prompt: str | None, seed: int | None) -> str:
    """The JSON of the request that has this form."""
    begin, middle, end = form
    text = begin + _quoted(prompt) + middle
    if negative_prompt is not None:
        text += f',"negative_prompt":{_quoted(negative_prompt)}'
    if seed is not None:
        text += f',"seed":{seed}'
    return text + end


def to_json(facts: dict[str, str]) -> str:
    """Words by name, as the ledger keeps them."""
    return f"{{{','.join([f'{_quoted(name)}:{_quoted(word)}' for name, word in facts.items()])}}}"


def columns_to_json(names: Sequence[str], columns: Sequence[Sequence[str]]) -> list[str]:
    """What :func:`to_json` makes of each row of such columns; there must be one."""
    pattern = f"{{{','.join([_quoted(name).replace('%', '%%') + ':%s' for name in names])}}}"
    return list(map(pattern.__mod__, zip(*(map(_quoted, column) for column in columns), strict=True)))


def from_json(text: str) -> Any:
    """What the ledger keeps as JSON; it is ours, with nothing before or behind it that would have to be looked for."""
    return _decode(text)[0]


def object_in(text: str | bytes) -> dict[str, Any]:
    """The object that a JSON text says, whoever wrote it; an empty one for what is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def digest_of(request: str) -> bytes:
    """The digest of a public request, as it is in JSON: 32 bytes.

    Blanks and empty lines around its prompts, and the normal form of their letters, are a matter of who saved the
    sheet: they are sent, and make no request another.
    """
    if not request.isascii():
        request = normalize("NFC", request)
    if ' "' in request or '":" ' in request or '\\n"' in request or '":"\\n' in request:  # at the ends of texts alone
        request = _without_blanks(Request.from_json(request)).to_json()
    return hashlib.sha256(request.encode("utf-8", "surrogatepass")).digest()


def _without_blanks(request: Request) -> Request:
    negative = request.negative_prompt
    return replace(
        request,
        prompt=request.prompt.strip(" \n"),
        negative_prompt=None if negative is None else negative.strip(" \n"),
    )


@dataclass(frozen=True)
class Row:
    """One wanted video of a manifest: a line of a sheet, or one of the jobs that its lists and seeds expand to."""

    number: int  # the record of the manifest, from 1; its expansions share it
    line: int  # where it stands in the file, from 1
    request: Request
    id: str | None = None  # as the manifest gives it; None: the row is known by its content
    extras: dict[str, str] = field(default_factory=dict)  # the manifest's own columns, untouched


@dataclass(frozen=True)
class Problem:
    """Something in a manifest that a person should mend, and how."""

    line: int | None  # None: the file as a whole
    column: str | None  # a sheet's column by its name; of a YAML file, the number of the character in the line
    message: str
    fatal: bool = True  # False: only questioned, the batch may run
    rows: int = 1  # that have it
    lines: tuple[tuple[int, int], ...] = ()  # where these stand, if they are several: each stretch's first and last
    place: str = ""  # what is said in the place of the line, of rows that stand in no file
    id: str = field(default="", compare=False)  # of the row, where its line is not the row of a spreadsheet
    first: int | None = None  # another line, which the message names last, as ``line 2``
    ids: tuple[str, ...] = field(default=(), compare=False, repr=False)  # of rows that are left out for it

    def __str__(self) -> str:
        place = [self.place or self._lines()] if self.place or self.line else []
        place += [f"column {self.column}"] if self.column else []
        return ("" if self.fatal else "warning: ") + ", ".join(place) + (": " if place else "") + self.message

    def _lines(self) -> str:
        if self.lines:
            return f"lines {stretches(self.lines)} ({self.rows} rows)"
        return f"line {self.line} (id {self.id})" if self.id else f"line {self.line}"


def stretches(lines: Sequence[tuple[int, int]]) -> str:
    """Numbers in words: ``2-401``, ``2, 5, 9-12``; of more than five stretches, the first four and the last."""
    words = [str(first) if first == last else f"{first}-{last}" for first, last in lines]
    if len(words) > MOST_STRETCHES:
        words[MOST_STRETCHES - 1 :] = [f"... {words[-1]}"]
    return ", ".join(words)


@dataclass(frozen=True)
class Clip:
    """A video that was read to its end and found whole."""

    bytes: int
    sha256: str  # hex


@dataclass(frozen=True)
class Kept:
    """An archived file or object: its place, and what was in it."""

    place: str
    clip: Clip


class State(StrEnum):
    """How far a job is: what is certainly true of it."""

    PENDING = "pending"  # nothing was asked of the service
    SUBMITTING = "submitting"  # a task is being asked for: it may be paid
    IN_DOUBT = "in_doubt"  # it is not known whether a task was paid
    IN_FLIGHT = "in_flight"  # a task is paid and has an id
    RENDERED = "rendered"  # the service has made the video
    ARCHIVED = "archived"  # every row that wants the video has it
    FAILED = "failed"  # the service refuses this request, or its task ended without a video
    EXPIRED = "expired"  # the video was paid for and its link is dead


class Present(NamedTuple):
    """A row of the present manifest, as far as it matters for choosing."""

    job: int  # the ledger's key
    id: str  # the one that it is known by in the ledger
    number: int  # the record of the manifest, from 1
    digest: str  # of its request, hex
    seeded: bool  # its request has a seed: rows with the same one share a task
    state: State
    request: str = "{}"  # JSON
    extras: str = ""  # JSON, of the sheet's own columns; empty: it has none


@dataclass(frozen=True)
class Job(Quick):
    """One thing to pay for: a request, wanted by one row, or by several whose request and seed are the same."""

    key: int  # the ledger's
    request: Request
    state: State
    wanted: int = 1  # rows of the present manifest that want it; 0: its row was edited or is gone
    task_id: str | None = None
    urls: tuple[str, ...] = ()  # where the service keeps the result; empty: to be asked for
    fail_code: str | None = None
    fail_message: str | None = None
    attempts: int = 0  # POSTs that the service has or may have seen
    submitted_at: float | None = None  # Unix seconds
    completed_at: float | None = None  # Unix seconds, the service's
    generation_ms: int | None = None
    remake: bool = False  # a person allowed to pay again if the video cannot be fetched
    attempt: int | None = None  # the ledger's key of the POST that is under way
    token: str | None = field(default=None, repr=False)  # the secret in its callback's address
    source: tuple[Kept, ...] = ()  # files that hold the video: of another batch, or of this one, once missing
    tries: int = 0  # failed tries of the present step, in this run
    missing_since: float | None = None  # the service says that there is no such task; by the account's clock
    wait: float = 0.0  # seconds before the next step
