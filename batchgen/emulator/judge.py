"""Judging requests as strictly as the API's document allows: every field, every type, nothing unknown."""

import json
from collections.abc import Callable, Collection
from typing import Any, NoReturn
from urllib.parse import urlsplit

Body = dict[str, Any]
Check = Callable[[object], bool]

# The document gives no default for these two; the emulator takes the cheaper of the documented values.
DEFAULT_RESOLUTION = "720p"
DEFAULT_DURATION = 5  # seconds
DEFAULT_ASPECT = "16:9"


class RefusedError(Exception):
    """A request is not accepted: ``code`` is one of the document's (400, 401, 429), or 404 (unknown)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # in Python, True is an int


def _is_link(value: object) -> bool:
    if not isinstance(value, str) or value != value.strip():
        return False
    try:
        parts = urlsplit(value)
    except ValueError:  # such as an unclosed bracket in the host
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _one_of(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


_OUTER: dict[str, Check] = {
    "request_type": _one_of("async", "callback"),
    "callback_url": _is_link,
    "provider": _one_of("auto", "value", "official"),
    "input": lambda value: isinstance(value, dict),
}
_INPUT: dict[str, Check] = {
    "mode": _one_of("text-to-video", "image-to-video"),
    "prompt": lambda value: isinstance(value, str) and bool(value.strip()),
    "resolution": _one_of("720p", "1080p"),
    "duration": lambda value: _is_whole(value) and value in (5, 10),
    "aspect_ratio": _one_of("16:9", "9:16", "1:1"),
    "image_urls": lambda value: isinstance(value, list) and bool(value) and all(map(_is_link, value)),
    "negative_prompt": lambda value: isinstance(value, str),
    "seed": _is_whole,
    "enable_prompt_expansion": lambda value: isinstance(value, bool),
}


def _refuse(message: str) -> NoReturn:
    raise RefusedError(400, f"Invalid parameters: {message}")


def _check(fields: Body, checks: dict[str, Check], where: str) -> None:
    for name, value in fields.items():
        if name not in checks:
            _refuse(f"unknown field {where}{name}")
        if not checks[name](value):
            _refuse(f"{where}{name}")


def _check_callback(body: Body) -> None:
    wanted = body.get("request_type", "async") == "callback"
    if wanted != ("callback_url" in body):
        _refuse("callback_url is required with request_type callback, and only with it")


def _check_images(fields: Body) -> None:
    wanted = fields["mode"] == "image-to-video"
    if wanted != ("image_urls" in fields):
        _refuse("input.image_urls is required with image-to-video, and only with it")


def judge_body(body: object) -> Body:
    """Return the body of a generateTask request, if the document allows it.

    Raises RefusedError: 400, naming the first field that is wrong.
    """
    if not isinstance(body, dict):
        _refuse("the body is not an object")
    _check(body, _OUTER, "")
    fields = body.get("input")
    if not isinstance(fields, dict):
        _refuse("input is required")
    _check(fields, _INPUT, "input.")
    for name in ("mode", "prompt"):
        if name not in fields:
            _refuse(f"input.{name} is required")
    _check_callback(body)
    _check_images(fields)
    return body


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")  # json.loads would take NaN and Infinity


def parse_json(content_type: str, raw: bytes) -> object:
    """Return what the bytes say, if they are JSON and were called so.

    Raises RefusedError: 400 when the content type is not application/json, or the bytes not JSON in UTF-8.
    """
    if content_type.lower() != "application/json":
        _refuse("the content type is not application/json")
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse("the body is not JSON")


def judge_key(authorization: str | None, keys: Collection[str] | None) -> None:
    """Let pass an Authorization header with a known key (any key, when ``keys`` is None).

    Raises RefusedError: 401, as the document says for an invalid or missing key.
    """
    scheme, _, key = (authorization or "").partition(" ")
    key = key.strip()
    if scheme != "Bearer" or not key or (keys is not None and key not in keys):
        raise RefusedError(401, "Invalid or missing API Key")
