"""The JSON Schema: samples pass, typical mistakes fail, and what it refuses the reader refuses too."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.manifest.rules import KNOWN
from batchgen.manifest.schema import schema
from tests.manifest.reading import Read, read

SAMPLES = Path(__file__).parents[2] / "manifests"
STARTERS = Path(__file__).parents[2] / "batchgen" / "starters"
CHECK = jsonschema.Draft202012Validator(schema())


def read_json(folder: Path, document: object) -> Read:
    return read(folder, json.dumps(document), "b.json")


class YamlOfToday(yaml.SafeLoader):
    """YAML 1.2, as editors read it: 16:9 and no are texts."""


YamlOfToday.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag.endswith(":null")]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
YamlOfToday.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
YamlOfToday.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true$|false$"), list("tf"))


def test_it_is_a_schema_and_knows_every_parameter() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert set(KNOWN) <= set(schema()["$defs"])
    assert schema()["$defs"]["resolution"]["anyOf"][0] == {"enum": ["720p", "1080p"]}
    assert all("description" in schema()["$defs"][name] for name in KNOWN)


@pytest.mark.parametrize("path", [SAMPLES / "matrix.yaml", STARTERS / "prompts.yaml"], ids=str)
def test_the_samples_are_in_order(path: Path) -> None:
    assert list(CHECK.iter_errors(yaml.load(path.read_text("utf-8"), YamlOfToday))) == []


GOOD: list[Any] = [
    {"jobs": ["a"]},
    ["a", {"prompt": "b"}],
    {
        "jobs": [
            {"prompt": 7, "seed": "007", "duration": "5 s", "resolution": " 720P", "enable_prompt_expansion": "Yes"}
        ]
    },
    {"jobs": [{"Prompt": "a", "Image URLs": ["https://a.example/1"], "aspect-ratio": "16:9", "SEED": "42.0"}]},
    {"jobs": [{"prompt": ["a", "b"], "seeds": [1, "4-6"], "aspect_ratio": ["16:9", None], "own": 1.5, "other": None}]},
    {
        "jobs": [
            {"Prompt": "a", " SEEDS ": "1 - 3, 7", "image_urls": [["https://x.example/a"], ["https://x.example/b"]]}
        ]
    },
    {"defaults": {"prompt": "a {x}", "seed": 1}, "vars": {"x": ["b", 2]}, "jobs": [{"seeds": "2-3"}]},
    {"defaults": None, "vars": None, "jobs": [{"prompt": "a", "seed": "", "seeds": 5, "image_urls": None, "mode": ""}]},
]
BAD: list[Any] = [
    {},
    [],
    7,
    {"jobs": []},
    {"jobs": {"prompt": "a"}},
    {"job": ["a"]},
    {"jobs": ["a"], "default": {}},
    {"jobs": [None]},
    {"jobs": [" "]},
    {"jobs": [["a"]]},
    {"jobs": [{"seed": 1}]},
    [{"promt": "a"}],
    {"jobs": [{"prompt": {"a": 1}}]},
    {"jobs": [{"prompt": []}]},
    {"jobs": [{"prompt": "a", "resolution": "4k"}]},
    {"jobs": [{"prompt": "a", "resolution": ["720p", "4k"]}]},
    {"jobs": [{"prompt": "a", "duration": 7}]},
    {"jobs": [{"prompt": "a", "aspect_ratio": "4:3"}]},
    {"jobs": [{"prompt": "a", "seed": -1}]},
    {"jobs": [{"prompt": "a", "seed": 1.5}]},
    {"jobs": [{"prompt": "a", "seed": 2**63}]},
    {"jobs": [{"prompt": "a", "seed": 1, "seeds": "1-2"}]},
    {"jobs": [{"prompt": "a", "seeds": "one"}]},
    {"jobs": [{"prompt": "a", "enable_prompt_expansion": "maybe"}]},
    {"jobs": [{"prompt": "a", "own": ["x"]}]},
    {"jobs": [{"prompt": "a", "provider": "cheap"}]},
    {"jobs": [{"prompt": "a {x}"}], "vars": {"x": []}},
    {"jobs": [{"prompt": "a"}], "defaults": ["x"]},
    {"jobs": [{"prompt": "a", "image_urls": {"u": 1}}]},
]


@pytest.mark.parametrize("document", GOOD, ids=json.dumps)
def test_what_is_in_order_passes(tmp_path: Path, document: object) -> None:
    assert [error.message for error in CHECK.iter_errors(document)] == []
    assert read_json(tmp_path, document).fatal == []


@pytest.mark.parametrize("document", BAD, ids=json.dumps)
def test_typical_mistakes_are_refused_by_schema_and_reader_alike(tmp_path: Path, document: object) -> None:
    assert not CHECK.is_valid(document)
    assert read_json(tmp_path, document).fatal


WORDS = st.sampled_from(
    ["", " ", "a", "720p", "1080P", "5", "05", "5s", "10 S", "16:9", "auto", "yes", "N", "1-3", "1;5", "3-1", "007",
     "42.0", "10 Seconds", "image-to-video", "https://x.example/a.jpg", "null"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.sampled_from([0, 1, 5, 10, -1, 1.5, 2**62]) | WORDS
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.lists(st.lists(SCALARS, max_size=2), max_size=2)
KEYS = st.sampled_from([*KNOWN, "Prompt", " SEED", "scene", "jobs"])
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)
JOBS = st.one_of(SCALARS, TABLES, TABLES.map(lambda table: {"prompt": "a"} | table))
DOCUMENTS = st.lists(JOBS, max_size=2) | st.fixed_dictionaries(
    {"jobs": st.lists(JOBS, max_size=2)}, optional={"defaults": TABLES | SCALARS, "vars": st.none() | TABLES}
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=DOCUMENTS)
def test_whatever_the_schema_refuses_the_reader_refuses(tmp_path: Path, document: object) -> None:
    # A default that every job replaces is read by nobody, but marked in an editor all the same.
    errors = [error for error in CHECK.iter_errors(document) if list(error.path)[:1] != ["defaults"]]
    if errors:
        assert read_json(tmp_path, document).fatal, [error.message for error in errors]
