import ast
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from batchgen.emulator.server import Emulator

from .support import KEY, STATUS, SUBMIT, Caller, body, calling

TEXT_EXAMPLE = {
    "request_type": "async",
    "provider": "value",
    "input": {
        "mode": "text-to-video",
        "prompt": "a serene mountain landscape with moving clouds and gentle breeze",
        "resolution": "1080p",
        "duration": 10,
        "aspect_ratio": "16:9",
        "negative_prompt": "low quality, blurry",
        "enable_prompt_expansion": True,
    },
}
IMAGE_EXAMPLE = {
    "request_type": "callback",
    "callback_url": "https://your-server.invalid/callback",
    "provider": "official",
    "input": {
        "mode": "image-to-video",
        "prompt": "make this picture into a smooth cinematic shot with camera slowly zooming in",
        "resolution": "720p",
        "duration": 5,
        "image_urls": ["https://example.com/ref.jpg"],
        "enable_prompt_expansion": False,
        "seed": 42,
    },
}


@pytest.mark.parametrize("example", [TEXT_EXAMPLE, IMAGE_EXAMPLE])
async def test_the_documents_own_examples_are_accepted(example: dict[str, Any]) -> None:
    async with calling(Emulator()) as caller:
        status, envelope = await caller.post(example)
        assert status == 200
        assert envelope["code"] == 200
        assert envelope["message"] == "success"
        assert set(envelope["data"]) == {"taskId"}
        assert [task.body for task in caller.emulator.tasks] == [example]
        assert caller.emulator.tasks[0].authorization == KEY


WRONG: list[Any] = [
    body(prompt=""),
    body(prompt=" \n"),
    body(prompt=7),
    body(prompt=None),
    body(mode="video"),
    body(mode=None),
    body(resolution="720"),
    body(resolution=720),
    body(duration="5"),
    body(duration=5.0),
    body(duration=7),
    body(duration=True),
    body(aspect_ratio="4:3"),
    body(aspect_ratio=969),
    body(seed="12"),
    body(seed=1.0),
    body(seed=True),
    body(seed=None),
    body(negative_prompt=1),
    body(enable_prompt_expansion="true"),
    body(enable_prompt_expansion=1),
    body(style="nice"),
    body(image_urls=["https://example.com/ref.jpg"]),
    body(mode="image-to-video"),
    body(mode="image-to-video", image_urls=[]),
    body(mode="image-to-video", image_urls="https://example.com/ref.jpg"),
    body(mode="image-to-video", image_urls=["ftp://example.com/ref.jpg"]),
    body(mode="image-to-video", image_urls=["https:///ref.jpg"]),
    body(mode="image-to-video", image_urls=["https://[oops/ref.jpg"]),
    body(mode="image-to-video", image_urls=[None]),
    body({"request_type": "sync"}),
    body({"request_type": "callback"}),
    body({"request_type": "callback", "callback_url": "nowhere"}),
    body({"request_type": "async", "callback_url": "https://example.com/cb"}),
    body({"callback_url": "https://example.com/cb"}),
    body({"provider": "best"}),
    body({"provider": None}),
    body({"webhook": "https://example.com"}),
    body({"input": []}),
    {"input": {"prompt": "no mode"}},
    {"input": {"mode": "text-to-video"}},
    {"provider": "auto"},
    {},
    [],
    "text",
    None,
]


async def test_whatever_the_document_does_not_allow_is_refused_with_400_and_costs_nothing() -> None:
    async with calling(Emulator()) as caller:
        for wrong in WRONG:
            status, envelope = await caller.post(wrong)
            assert (status, envelope["code"], envelope["data"]) == (400, 400, None), wrong
            assert envelope["message"].startswith("Invalid parameters"), wrong
        assert caller.emulator.tasks == []
        assert caller.emulator.stats()["charged"] == 0


async def test_the_refusal_names_the_field() -> None:
    async with calling(Emulator()) as caller:
        assert "input.seed" in (await caller.post(body(seed="1")))[1]["message"]
        assert "input.style" in (await caller.post(body(style=1)))[1]["message"]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"input": NaN}'])
async def test_a_body_that_is_not_json_is_refused(raw: bytes) -> None:
    async with calling(Emulator()) as caller:
        headers = {"Authorization": KEY, "Content-Type": "application/json"}
        status, envelope = await caller.post(None, json=None, data=raw, headers=headers)
        assert (status, envelope["code"]) == (400, 400)


async def test_json_under_another_content_type_is_refused() -> None:
    async with calling(Emulator()) as caller:
        headers = {"Authorization": KEY, "Content-Type": "text/plain"}
        assert (await caller.post(body(), headers=headers))[0] == 400
        headers["Content-Type"] = "application/json; charset=utf-8"
        assert (await caller.post(body(), headers=headers))[0] == 200


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic abc", "test-key"])
async def test_a_missing_key_is_401_everywhere(value: str | None) -> None:
    async with calling(Emulator()) as caller:
        headers = {} if value is None else {"Authorization": value}
        assert (await caller.post(body(), headers=headers))[0] == 401
        for path in (f"{STATUS}?taskId=task_1", "/api/v1/apikeys/current-balance"):
            async with caller.session.get(caller.emulator.url + path, headers=headers) as response:
                assert response.status == 401
                assert await response.json() == {"code": 401, "message": "Invalid or missing API Key", "data": None}


async def test_only_configured_keys_are_taken_when_there_are_any() -> None:
    async with calling(Emulator(keys={"right"})) as caller:
        assert (await caller.post(body()))[0] == 401
        assert (await caller.post(body(), headers={"Authorization": "Bearer right"}))[0] == 200


async def test_models_that_are_not_known_are_404() -> None:
    async with calling(Emulator(models={"wan-2-5", "other"})) as caller:
        task_id = await caller.submit()
        url = caller.emulator.url + SUBMIT
        for model, expected in (("other", 200), ("third", 404)):
            address = url.replace("wan-2-5", model)
            async with caller.session.post(address, json=body(), headers={"Authorization": KEY}) as response:
                assert response.status == expected
        assert (await caller.ask(task_id))[0] == 200
        assert (await caller.ask(task_id, STATUS.replace("wan-2-5", "other")))[0] == 404


async def test_an_unknown_task_is_a_404_envelope_and_none_is_400() -> None:
    async with calling(Emulator()) as caller:
        status, envelope = await caller.ask("task_unknown")
        assert (status, envelope["code"], envelope["data"]) == (404, 404, None)
        assert (await caller.ask(""))[0] == 400


async def _errors(caller: Caller) -> list[tuple[int, int]]:
    answers = [
        await caller.post(body(prompt="")),
        await caller.post(body(), headers={}),
        await caller.ask("task_unknown"),
        await caller.ask("x", "/api/v1/nothing"),
        await caller.ask("x", SUBMIT),
    ]
    return [(status, envelope["code"]) for status, envelope in answers]


async def test_errors_are_in_the_http_status_too_or_in_the_body_alone() -> None:
    codes = [400, 401, 404, 404, 405]
    async with calling(Emulator(error_style="http")) as caller:
        assert await _errors(caller) == [(code, code) for code in codes]
    async with calling(Emulator(error_style="body")) as caller:
        assert await _errors(caller) == [(200, code) for code in codes]


async def test_a_prompt_marked_400_is_refused() -> None:
    async with calling(Emulator()) as caller:
        assert (await caller.post(body(prompt="a cat [400]")))[0] == 400
        assert caller.emulator.tasks == []


def test_the_emulator_takes_nothing_from_the_rest_of_batchgen() -> None:
    allowed = {"aiohttp", "av"} | sys.stdlib_module_names
    for path in Path(inspect.getfile(Emulator)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] in allowed or name.startswith("batchgen.emulator"), (path.name, name)
