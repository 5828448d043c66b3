"""Tasks: what was accepted, what the prompt's marks ask of it, and what its state is at a time."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from batchgen.emulator.account import price_of
from batchgen.emulator.judge import DEFAULT_DURATION, DEFAULT_RESOLUTION, Body, RefusedError

# Seconds of generation, from the document's "Generation time".
GENERATION_SECONDS = {"720p": (50.0, 70.0), "1080p": (70.0, 90.0)}
# A task waits this share of its time before it is processed: the document names the state, not its length.
PENDING_SHARE = 0.1
FAIL_MESSAGES = {
    "CONTENT_VIOLATION": "Content does not meet safety guidelines",
    "INVALID_IMAGE_URL": "Cannot access provided image URL",
}
# What a prompt may hold to have the emulator do as it says.
MARKS = {
    "[violation]": "the task fails, as one does whose content is refused",
    "[fail:CODE]": "the task fails with that code",
    "[slow:SECONDS]": "generation takes so long (divided by the speed)",
    "[400]": "the request is refused, and nothing is paid",
    "[urls:N]": "the task has N videos",
    "[url:LINK]": "its video is at that link",
}
Generation = Callable[[Body, str], float] | tuple[float, float] | None


@dataclass(frozen=True)
class Task:
    """One accepted task. Times are wall-clock seconds of the emulator's clock."""

    id: str
    model: str
    body: Body
    created: float
    ends: float
    cents: int  # charged at acceptance, US cents
    fail_code: str | None = None
    url_count: int = 1
    given_urls: tuple[str, ...] = ()  # result links that the prompt dictates
    authorization: str = field(default="", repr=False)  # the header as it came

    @property
    def input(self) -> Body:
        """The model's parameters."""
        fields: Body = self.body["input"]
        return fields

    @property
    def duration(self) -> int:
        """Seconds of video."""
        return int(self.input.get("duration", DEFAULT_DURATION))

    @property
    def callback_url(self) -> str | None:
        """Where the end is to be told, in callback mode."""
        return self.body.get("callback_url")

    def state(self, now: float) -> str:
        """Return the document's word for how far the task is."""
        if now >= self.ends:
            return "failed" if self.fail_code else "success"
        waited = now - self.created
        return "pending" if waited < PENDING_SHARE * (self.ends - self.created) else "processing"

    def facts(self) -> dict[str, Any]:
        """Return the task for a file or another process: without the Authorization header, a secret."""
        names = ("id", "model", "body", "created", "ends", "cents", "fail_code", "url_count", "given_urls")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "Task":
        """Return the task that :meth:`facts` described."""
        return cls(**(facts | {"given_urls": tuple(facts["given_urls"])}))


def video_key(task: Task, index: int) -> bytes:
    """Return 32 bytes that decide a video: equal for the same seed, prompt and parameters, as documented.

    Without a seed each task has its own.
    """
    own = "" if "seed" in task.input else task.id
    text = json.dumps([task.model, task.input, own, index], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()


def _mark(prompt: str, name: str) -> str | None:
    found = re.search(rf"\[{name}:([^\]\s]+)\]", prompt)
    return found[1] if found else None


def _number(prompt: str, name: str) -> int | None:
    found = _mark(prompt, name)
    return int(found) if found and found.isdecimal() else None


def _fail_code(fields: Body) -> str | None:
    if "[violation]" in fields["prompt"]:
        return "CONTENT_VIOLATION"
    if any("unreachable" in url for url in fields.get("image_urls", ())):
        return "INVALID_IMAGE_URL"
    return _mark(fields["prompt"], "fail")


def _draw_seconds(body: Body, task_id: str, generation: Generation) -> float:
    if callable(generation):
        return generation(body, task_id)
    asked = _number(body["input"]["prompt"], "slow")
    if asked is not None:
        return asked
    low, high = generation or GENERATION_SECONDS[body["input"].get("resolution", DEFAULT_RESOLUTION)]
    digest = hashlib.sha256((json.dumps(body, sort_keys=True) + task_id).encode()).digest()
    return low + (high - low) * int.from_bytes(digest[:6], "big") / 2**48


def check_marks(body: Body) -> None:
    """Let pass a prompt that does not ask to be refused.

    Raises RefusedError: 400 for a prompt with ``[400]``.
    """
    if "[400]" in body["input"]["prompt"]:
        raise RefusedError(400, "Invalid parameters or request error")


def plan_task(
    task_id: str, model: str, body: Body, now: float, speed: float, generation: Generation, authorization: str
) -> Task:
    """Return the task that this request becomes.

    It obeys the marks in the prompt (:data:`MARKS`).
    """
    prompt = body["input"]["prompt"]
    given = _mark(prompt, "url")
    return Task(
        id=task_id,
        model=model,
        body=body,
        created=now,
        ends=now + _draw_seconds(body, task_id, generation) / speed,
        cents=price_of(body),
        fail_code=_fail_code(body["input"]),
        url_count=_number(prompt, "urls") or 1,
        given_urls=(given,) if given else (),
        authorization=authorization,
    )


def describe(task: Task, now: float, urls: list[str]) -> dict[str, Any]:
    """Return the ``data`` of a statusTask answer, with just the fields documented for the state."""
    state = task.state(now)
    data: dict[str, Any] = {"taskId": task.id, "state": state}
    if state == "failed":
        code = task.fail_code or ""
        return data | {"failCode": code, "failMsg": FAIL_MESSAGES.get(code, f"Generation failed: {code}")}
    created = int(task.created * 1000)
    if state != "success":
        return data | {"createTime": created}
    completed = int(task.ends * 1000)
    result = json.dumps({"resultUrls": urls}, separators=(",", ":"))
    times = {"createTime": created, "completeTime": completed, "costTime": completed - created}
    return data | {"resultJson": result} | times
