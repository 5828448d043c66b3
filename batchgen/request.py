"""What the service is asked to make, its JSON in the ledger, and its digest: a million rows pass here."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
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

# What stands in a request for an image that was a file: its content's SHA-256, and its format.
IMAGE_FILE = re.compile(r"sha256:[0-9a-f]{64}\.(jpg|png|webp)")

Form = tuple[str, str, str]  # of a request's JSON: up to the prompt, up to negative prompt and seed, and the rest

_decode = json.JSONDecoder().raw_decode
_quoted = json.encoder.encode_basestring  # a string as JSON, its letters as they are


def with_newlines(text: str) -> str:
    r"""The text with its line ends as ``\n``: which ones it has is a matter of who saved it, not of what it says."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


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


def filled(form: Form, prompt: str, negative_prompt: str | None, seed: int | None) -> str:
    """The JSON of the request that has this form."""
    begin, middle, end = form
    text = begin + _quoted(prompt) + middle
    if negative_prompt is not None:
        text += f',"negative_prompt":{_quoted(negative_prompt)}'
    if seed is not None:
        text += f',"seed":{seed}'
    return text + end


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
