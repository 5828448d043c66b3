"""A JSON Schema of YAML and JSON manifests, so that editors complete and check them while they are written.

It is made from what the reader goes by (the catalog, and the parameters of ``rules.Cells``), and is never stricter
than the reader: what it refuses, the reader refuses too, unless it is a default that every job replaces.
"""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from batchgen.catalog import DEFAULT_MODEL, Accepts, accepts
from batchgen.manifest import values
from batchgen.manifest.rules import KNOWN

Schema = dict[str, Any]

_SCALAR = ("string", "number", "boolean", "null")
_BLANK = {"anyOf": [{"type": "null"}, {"type": "string", "pattern": r"^\s*$"}]}
_DIGITS = {"type": "string", "pattern": r"^\s*[0-9]+(\.0)?\s*$"}
_SPAN = r"[0-9]+(\.0|\s*[-–]\s*[0-9]+)?"
_SEEDS = {"type": "string", "pattern": rf"^[\s;,]*{_SPAN}([;,\s]+{_SPAN})*[\s;,]*$"}
_SEED = {"type": "integer", "minimum": 0, "maximum": values.LARGEST_SEED}
_ABOUT = MappingProxyType(
    {
        "mode": "What the video is made from. It follows from image_urls where it is left out.",
        "prompt": "What the video is to show. {name} is filled in from vars.",
        "resolution": "Left out: the service's default.",
        "duration": "Seconds. Left out: the service's default.",
        "aspect_ratio": "Left out: the service's default.",
        "image_urls": "The link of an image, or a list of links; a list of lists makes a job of each.",
        "negative_prompt": "What the video must not show.",
        "seed": "The same seed, prompt and settings give the same video. Left out: a new one each time.",
        "enable_prompt_expansion": "Whether the service may enrich the prompt.",
        "provider": "Whom the service has make the video.",
        "id": "What the video is known and named by. Left out: it is known by its content.",
        "seeds": "A video of each: 1-4, or 1;5;9, or a list.",
    }
)


def schema_text() -> str:
    """The schema as ``batchgen schema`` prints it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """The schema of a manifest of the default model, as JSON Schema draft 2020-12."""
    known = accepts(DEFAULT_MODEL)
    table = _table()
    all_have_prompts = {"type": "object", "required": ["defaults"], "properties": {"defaults": _has("prompt")}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A batch of videos",
        "description": "A manifest of batchgen. A value may be a list: jobs are made of every combination.",
        "type": ["object", "array"],
        "properties": {
            "defaults": table
            | {"type": ["object", "null"], "description": "What every job has unless it says otherwise."},
            "vars": {"$ref": "#/$defs/vars"},
            "jobs": {"$ref": "#/$defs/jobs"},
        },
        "required": ["jobs"],
        "additionalProperties": False,
        "items": {"$ref": "#/$defs/job"},
        "minItems": 1,
        "if": {"type": "array"},
        "then": _each_needs(items=True),
        "else": {"if": all_have_prompts, "else": _each_needs(items=False)},
        "$defs": _definitions(known, table),
    }


def _table() -> Schema:
    """A mapping of parameters, and of keys of one's own."""
    shared = {name: {"$ref": f"#/$defs/{name}"} for name in KNOWN}
    return {
        "type": "object",
        "properties": shared,  # again as patterns: the reader takes a key as image_urls, Image URLs, image-urls
        "patternProperties": {_spelled(name): to for name, to in shared.items()},
        "additionalProperties": {"$ref": "#/$defs/own"},
    }


def _definitions(known: Accepts, table: Schema) -> Schema:
    parameters = {name: _parameter(name, kind) for name, kind in _kinds(known).items()}
    scalar = {"type": list(_SCALAR)}
    own_vars = {"properties": table["properties"] | {"vars": {"$ref": "#/$defs/vars"}}}
    return {
        **parameters,
        "image_urls": _images(),
        "seeds": _many_seeds(),
        "own": scalar | {"description": "A key of your own: it is carried along into results.csv."},
        "vars": {
            "type": ["object", "null"],
            "additionalProperties": {"anyOf": [scalar, {"type": "array", "items": scalar, "minItems": 1}]},
            "description": "Words for {name} in a prompt: a job is made with each of them.",
        },
        "jobs": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/job"}},
        "job": {
            "description": "A job, or its prompt alone.",
            "anyOf": [{"type": ["string", "number", "boolean"], "not": _BLANK}, table | own_vars | _one_seed()],
        },
    }


def _kinds(known: Accepts) -> Mapping[str, Schema]:
    """Return what one value of each parameter may be; where nothing is said of one, it is any text."""
    return {
        "mode": _one_of(known.modes),
        "resolution": _one_of(known.resolutions),
        "duration": _one_of(known.durations, "0*", r"\s*([sS]([eE][cC]([oO][nN][dD])?[sS]?)?)?"),
        "aspect_ratio": _one_of(known.aspect_ratios),
        "provider": _one_of(known.providers),
        "seed": {"anyOf": [_SEED, _DIGITS]},
        "enable_prompt_expansion": _one_of([True, False, *values.SWITCH_WORDS, 1, 0]),
    } | {name: {"type": list(_SCALAR)} for name in ("prompt", "negative_prompt", "id")}


def _one_of(allowed: Iterable[Any], before: str = "", behind: str = "") -> Schema:
    """The values themselves, for editors to complete, and every other way to write them that is understood."""
    words = list(allowed)
    texts = "|".join(_any_case(str(word)) for word in words if not isinstance(word, bool))
    return {"anyOf": [{"enum": words}, {"type": "string", "pattern": rf"^\s*{before}({texts}){behind}\s*$"}]}


def _any_case(word: str) -> str:
    """A pattern for the word in any case: JSON Schema's patterns have no flags."""
    return "".join(f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in word)


def _spelled(name: str) -> str:
    """A pattern for a parameter as a key: in any case, with blanks, ``_`` and ``-`` anywhere."""
    between = r"[\s_-]*"
    letters = between.join(_any_case(letter) for letter in name if letter != "_")
    return f"^{between}{letters}{between}$"


def _parameter(name: str, one: Schema) -> Schema:
    value = {"anyOf": [*one.get("anyOf", [one]), _BLANK]}
    return {"description": _ABOUT[name], "anyOf": [*value["anyOf"], {"type": "array", "items": value, "minItems": 1}]}


def _images() -> Schema:
    link = {"type": ["string", "null"]}
    one = {"type": "array", "items": link}
    either = {"anyOf": [{"items": link}, {"items": one}]}
    return {"description": _ABOUT["image_urls"], "anyOf": [link, {"type": "array"} | either]}


def _many_seeds() -> Schema:
    one: list[Schema] = [_SEED, _SEEDS, _BLANK]
    return {"description": _ABOUT["seeds"], "anyOf": [*one, {"type": "array", "items": {"anyOf": one}, "minItems": 1}]}


def _one_seed() -> Schema:
    """Not both seed and seeds."""
    said = {"not": _BLANK}
    return {"not": {"required": ["seed", "seeds"], "properties": {"seed": said, "seeds": said}}}


def _has(name: str) -> Schema:
    """An object with the key, however it is spelled."""
    return {"type": "object", "not": {"propertyNames": {"not": {"pattern": _spelled(name)}}}}


def _each_needs(*, items: bool) -> Schema:
    job = {"if": {"type": "object"}, "then": _has("prompt")}
    return {"items": job} if items else {"properties": {"jobs": {"items": job}}}
