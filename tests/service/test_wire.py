"""What the service says, read to the letter of its document and tolerant beyond it."""

import json
from typing import Any

import pytest

from batchgen.request import Request
from batchgen.service.wire import (
    Answer,
    Balance,
    TaskStatus,
    TaskWord,
    Verdict,
    is_of_service,
    read_balance,
    read_status,
    read_submitted,
    submit_body,
)

ACCEPTED = {"code": 200, "message": "success", "data": {"taskId": "task_12345678"}}


def answer(status: int, body: Any) -> Answer:
    return Answer(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_a_request_is_sent_in_the_words_of_the_document_and_what_is_open_is_left_out() -> None:
    request = Request("wan-2-5", "text-to-video", "a 🐈", duration=10, seed=2**53 + 1, provider="value")
    assert json.loads(submit_body(request, None)) == {
        "request_type": "async",
        "provider": "value",
        "input": {"mode": "text-to-video", "prompt": "a 🐈", "duration": 10, "seed": 2**53 + 1},
    }


def test_every_parameter_of_the_document_is_sent() -> None:
    link = "https://a.example/i.png"
    request = Request("wan-2-5", "image-to-video", "p", "720p", 5, "9:16", (link,), "blurry", 0, False, "official")
    assert json.loads(submit_body(request, "https://me.example/cb")) == {
        "request_type": "callback",
        "callback_url": "https://me.example/cb",
        "provider": "official",
        "input": {
            "mode": "image-to-video",
            "prompt": "p",
            "resolution": "720p",
            "duration": 5,
            "aspect_ratio": "9:16",
            "image_urls": ["https://a.example/i.png"],
            "negative_prompt": "blurry",
            "seed": 0,
            "enable_prompt_expansion": False,
        },
    }


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, ACCEPTED, Verdict.ACCEPTED),
        (201, ACCEPTED, Verdict.ACCEPTED),
        (200, {**ACCEPTED, "code": 201}, Verdict.ACCEPTED),
        (200, {**ACCEPTED, "code": 500}, Verdict.ACCEPTED),
        (500, {**ACCEPTED, "code": 500}, Verdict.ACCEPTED),
        (200, {**ACCEPTED, "code": 429}, Verdict.ACCEPTED),
        (400, {**ACCEPTED, "code": 400}, Verdict.ACCEPTED),
        (200, {**ACCEPTED, "code": "200"}, Verdict.ACCEPTED),
        (200, {**ACCEPTED, "extra": [1]}, Verdict.ACCEPTED),
        (200, {"data": {"taskId": 77}}, Verdict.ACCEPTED),
        (200, {"code": 400, "message": "bad duration", "data": None}, Verdict.REFUSED),
        (400, {"code": 400, "message": "bad duration", "data": None}, Verdict.REFUSED),
        (422, b"<html>", Verdict.REFUSED),
        (413, b"", Verdict.REFUSED),
        (200, {"code": 400, "message": "Insufficient credits", "data": None}, Verdict.ACCOUNT),
        (400, {"code": 400, "message": "Insufficient credits", "data": None}, Verdict.ACCOUNT),
        (400, {"code": 400, "message": "INSUFFICIENT_CREDITS"}, Verdict.ACCOUNT),
        (400, {"code": 400, "message": "You are out of credits"}, Verdict.ACCOUNT),
        (400, {"code": 400, "message": "exhausted your monthly balance"}, Verdict.ACCOUNT),
        (400, {"code": 400, "message": "Invalid prompt: notable fundraiser"}, Verdict.REFUSED),
        (400, {"code": 400, "message": "unknown field color_balance"}, Verdict.REFUSED),
        (400, {"code": 400, "message": "no such field: color_balance"}, Verdict.REFUSED),
        (400, {"code": 400, "message": "No fundamental shapes in the prompt"}, Verdict.REFUSED),
        (402, {"code": 402, "message": "top up"}, Verdict.ACCOUNT),
        (401, {"code": 401, "message": "Invalid API Key"}, Verdict.ACCOUNT),
        (401, {"code": 401, "message": "Invalid API Key (keys are case-sensitive)"}, Verdict.ACCOUNT),
        (403, {"code": 403, "message": "Invalid Content-Type or key"}, Verdict.ACCOUNT),
        (403, {"code": 403, "message": "key blocked: keys are case-sensitive"}, Verdict.ACCOUNT),
        (403, {"code": 403, "message": "Sensitive content detected"}, Verdict.REFUSED),
        (200, {"code": 403, "message": "the prompt was moderated"}, Verdict.REFUSED),
        (200, {"code": 401, "message": "Invalid API Key"}, Verdict.ACCOUNT),
        (403, {"code": 403, "message": "key blocked"}, Verdict.ACCOUNT),
        (403, {"code": 403, "message": "Content violates safety guidelines"}, Verdict.REFUSED),
        (429, b"<html>slow down</html>", Verdict.BUSY),
        (200, {"code": 429, "message": "Rate limit exceeded"}, Verdict.BUSY),
        (404, {"code": 404, "message": "no such model"}, Verdict.MISDIRECTED),
        (307, b"", Verdict.MISDIRECTED),
        (302, b"", Verdict.MISDIRECTED),
        (200, b"", Verdict.UNKNOWN),
        (200, b"<html>", Verdict.UNKNOWN),
        (200, b"[" * 100_000, Verdict.UNKNOWN),
        (200, {"code": 200, "data": None}, Verdict.UNKNOWN),
        (200, {"code": 200, "data": {"taskId": ""}}, Verdict.UNKNOWN),
        (200, {"code": 200, "data": {"taskId": "a\nb"}}, Verdict.UNKNOWN),
        (200, {"code": 200, "data": {"taskId": "x" * 500}}, Verdict.ACCEPTED),
        (200, {"code": 200, "data": {"taskId": "x" * 1025}}, Verdict.UNKNOWN),
        (200, {"code": 200, "data": {"taskId": True}}, Verdict.UNKNOWN),
        (200, {"code": 1234, "message": "?"}, Verdict.UNKNOWN),
        (200, {"code": 500, "message": "retry"}, Verdict.UNKNOWN),
        (500, {"code": 500, "message": "retry"}, Verdict.UNKNOWN),
        (500, {"code": 400, "message": "bad"}, Verdict.UNKNOWN),
        (502, b"<html>", Verdict.UNKNOWN),
        (503, {"code": 503}, Verdict.UNKNOWN),
        (504, b"", Verdict.UNKNOWN),
        (408, b"", Verdict.UNKNOWN),
        (409, b"", Verdict.UNKNOWN),
    ],
)
def test_only_a_documented_refusal_proves_that_nothing_was_paid(status: int, body: Any, verdict: Verdict) -> None:
    assert read_submitted(answer(status, body)).verdict is verdict


@pytest.mark.parametrize(
    "message",
    [
        "CONTENT_VIOLATION",
        "content_policy_violation",
        "contentViolation",
        "NSFW_DETECTED",
        "NSFWDetected",
        "prohibited_content",
        "moderation_blocked: try another prompt",
        "error: sensitiveContent",
        "Content violates safety guidelines",
    ],
)
def test_a_forbidden_prompt_is_of_its_row_however_the_service_writes_its_code(message: str) -> None:
    assert read_submitted(answer(403, {"code": 403, "message": message})).verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    "message",
    [
        "keys are case-sensitive",
        "keys are case sensitive",
        "case_sensitive key",
        "caseSensitive key",
        "Invalid Content-Type or key",
        "content_type or key is wrong",
        "contentType or key is wrong",
        "discontented key",
        "INSUFFICIENT_CREDITS for content",
    ],
)
def test_what_only_looks_like_a_forbidden_prompt_is_of_the_account(message: str) -> None:
    assert read_submitted(answer(403, {"code": 403, "message": message})).verdict is Verdict.ACCOUNT


@pytest.mark.parametrize(
    "message",
    [
        "INSUFFICIENT_ACCOUNT_BALANCE",
        "ERR_INSUFFICIENT_CREDITS_1",
        "insufficientCredits",
        "insufficientUserBalance",
        "insufficient account_balance",
        "no_credits",
        "noCredits",
        "NO_MORE_CREDITS",
        "NOT_ENOUGH_CREDITS",
        "OUT_OF_CREDITS",
        "exhausted_funds",
        "No credits left",
    ],
)
def test_missing_credits_are_of_the_account_however_the_service_writes_their_code(message: str) -> None:
    assert read_submitted(answer(400, {"code": 400, "message": message})).verdict is Verdict.ACCOUNT


@pytest.mark.parametrize(
    "message",
    [
        "Invalid prompt: notable fundraiser",
        "unknown field color_balance",
        "unknown field colorBalance",
        "unknown_balance",
        "no such field: color_balance",
        "no such field: colorBalance",
        "no such field: balance_mode",
        "out of range: color_balance",
        "casino_credits is no field",
        "No fundamental shapes in the prompt",
    ],
)
def test_what_only_looks_like_missing_credits_is_of_its_row(message: str) -> None:
    assert read_submitted(answer(400, {"code": 400, "message": message})).verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    ("status", "body", "is_bare"),
    [
        (403, b"<html>Forbidden</html>", True),
        (403, {"message": "Forbidden"}, True),  # a cloud's gateway
        (404, b"<html>Not Found</html>", True),
        (404, {"detail": "Not Found"}, True),
        (404, b"", True),
        (302, b"", True),
        (401, b"<html>", False),
        (402, b"", False),
        (403, {"code": 403, "message": "key blocked"}, False),
        (200, {"code": 403, "message": "key blocked"}, False),
        (404, {"code": 404, "message": "no such model"}, False),
        (200, {"code": 401, "message": "Invalid API Key"}, False),
        (400, b"<html>", False),  # of its row in any case
        (502, b"<html>", False),  # proves nothing
        (200, ACCEPTED, False),
    ],
)
def test_a_refusal_of_all_that_bears_no_code_of_the_services_may_be_of_one_request_alone(
    status: int, body: Any, is_bare: bool
) -> None:
    assert read_submitted(answer(status, body)).is_bare is is_bare


def test_a_refusal_keeps_the_services_code_and_words() -> None:
    outcome = read_submitted(answer(200, {"code": 400, "message": "duration must be 5 or 10", "data": None}))
    assert (outcome.code, outcome.message) == ("400", "duration must be 5 or 10")


def test_an_accepted_task_has_its_id() -> None:
    assert read_submitted(answer(200, ACCEPTED)).task_id == "task_12345678"


def status_of(**data: Any) -> TaskStatus:
    return read_status(answer(200, {"code": 200, "message": "success", "data": {"taskId": "t", **data}}), "t")


def test_a_finished_task_has_links_and_times() -> None:
    status = status_of(
        state="success",
        resultJson='{"resultUrls":["https://r2.apixo.ai/video.mp4"]}',
        createTime=1767965610929,
        completeTime=1767965652317,
        costTime=41388,
    )
    assert status.word is TaskWord.SUCCESS
    assert status.urls == ("https://r2.apixo.ai/video.mp4",)
    assert status.completed_at == 1767965652.317
    assert status.generation_ms == 41388


@pytest.mark.parametrize("told", [1767965652, 1767965652317000, -5, 0, 10**17])
def test_a_moment_that_cannot_be_is_none(told: int) -> None:
    status = status_of(state="success", resultJson="{}", createTime=told, completeTime=told)
    assert (status.created_at, status.completed_at) == (None, None)


@pytest.mark.parametrize("told", [-5, 10**15, "a minute", None])
def test_a_duration_that_no_generation_takes_is_none(told: object) -> None:
    assert status_of(state="success", resultJson="{}", costTime=told).generation_ms is None


def test_what_the_service_says_is_one_line_of_letters() -> None:
    status = status_of(state="failed", failCode="A\n\x1b[31mB", failMsg="line\r\nline\x07")
    assert (status.fail_code, status.message) == ("A [31mB", "line line")


def test_an_acceptance_without_an_id_that_can_be_read_says_so() -> None:
    submitted = read_submitted(answer(200, {"code": 200, "message": "success", "data": {"taskId": 1.5}}))
    assert (submitted.verdict, submitted.message) == (Verdict.UNKNOWN, "the answer has no task id that can be read")


def test_a_failed_task_keeps_the_services_code_and_words_even_unknown_ones() -> None:
    status = status_of(state="failed", failCode="SomethingNew", failMsg="Because.")
    assert (status.word, status.fail_code, status.message) == (TaskWord.FAILED, "SomethingNew", "Because.")


def test_a_signed_link_that_the_service_repeats_is_not_kept_whole() -> None:
    told = 'no access to "https://b.example/a.png?sig=s3c&e=1" now'
    status = status_of(state="failed", failCode="X", failMsg=told)
    assert status.message == 'no access to "https://b.example/a.png" now'


@pytest.mark.parametrize("state", ["pending", "processing", "queued", "PROCESSING", "something-new"])
def test_a_state_that_is_no_end_means_that_the_task_runs(state: str) -> None:
    assert status_of(state=state).word is TaskWord.RUNNING


@pytest.mark.parametrize(
    ("result", "urls"),
    [
        ('{"resultUrls":["https://a/1.mp4","https://a/2.mp4"]}', ("https://a/1.mp4", "https://a/2.mp4")),
        ({"resultUrls": ["https://a/1.mp4"]}, ("https://a/1.mp4",)),
        ('["https://a/1.mp4"]', ("https://a/1.mp4",)),
        ('{"resultUrls":"https://a/1.mp4"}', ("https://a/1.mp4",)),
        ('{"resultUrls":[" https://a/1.mp4\\n", "HTTPS://a/2.mp4"]}', ("https://a/1.mp4", "HTTPS://a/2.mp4")),
        ('{"resultUrls":["https://a/1.mp4","https://a/1.mp4"]}', ("https://a/1.mp4",)),
        ('{"resultUrls":[]}', ()),
        ('{"resultUrls":[1,null,"file:///etc/passwd"]}', ()),
        ("not json", ()),
        ("", ()),
        (None, ()),
        (7, ()),
        ("[" * 100_000, ()),
    ],
)
def test_result_json_is_read_in_every_form_and_a_broken_one_gives_no_link(result: Any, urls: tuple[str, ...]) -> None:
    status = status_of(state="success", resultJson=result)
    assert (status.word, status.urls) == (TaskWord.SUCCESS, urls)


LINK = '{"resultUrls": ["https://a.example/v.mp4"]}'


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({"state": "succeeded", "resultJson": LINK}, TaskWord.SUCCESS),
        ({"state": "canceled", "failCode": "CANCELED"}, TaskWord.FAILED),
        ({"state": "queued"}, TaskWord.RUNNING),
        ({"state": "processing", "resultJson": LINK, "failCode": ""}, TaskWord.RUNNING),
    ],
)
def test_of_a_state_that_the_document_does_not_know_what_comes_with_it_tells(data: Any, word: TaskWord) -> None:
    assert status_of(**data).word is word


@pytest.mark.parametrize(
    ("codes", "of_service"),
    [
        ("CONTENT_VIOLATION INVALID_IMAGE_URL", False),  # the document's
        (
            "NSFW_DETECTED PROMPT_TOO_LONG INVALID_PROMPT IMAGE_TOO_LARGE UNSUPPORTED_FORMAT IMAGE_DOWNLOAD_FAILED",
            False,
        ),
        ("SensitiveContentDetected ProhibitedContentDetected PromptLengthExceeded GENERATION_FAILED 4031", False),
        ("IMAGE_UNAVAILABLE ImageUrlUnavailable INTERNAL_IMAGE_URL", False),
        ("PROCESSING_TIMEOUT MODEL_UNAVAILABLE ModelUnavailable InternalError", True),
    ],
)
def test_a_code_that_tells_of_the_service_is_told_apart_from_all_others(codes: str, of_service: bool) -> None:
    assert {is_of_service(code) for code in codes.split()} == {of_service}
    assert not is_of_service(None)


def test_a_code_and_a_cover_picture_are_taken_for_what_they_are() -> None:
    assert status_of(state="failed", failCode=4031).fail_code == "4031"
    urls = ["https://a.example/cover.JPG?x=1", "https://a.example/v.mp4?y=.png"]
    assert status_of(state="success", resultJson={"resultUrls": urls}).urls == (urls[1],)


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (404, {"code": 404, "message": "not found"}, TaskWord.MISSING),
        (200, {"code": 404, "message": "not found"}, TaskWord.MISSING),
        (200, {"code": 400, "message": "task not found", "data": None}, TaskWord.MISSING),
        (401, {"code": 401}, TaskWord.ACCOUNT),
        (200, {"code": 401}, TaskWord.ACCOUNT),
        (403, {"code": 403, "message": "invalid key"}, TaskWord.ACCOUNT),
        (403, b"<html>Attention required", TaskWord.TROUBLE),
        (403, {"code": 403, "message": "content moderation"}, TaskWord.TROUBLE),
        (429, b"", TaskWord.BUSY),
        (200, {"code": 429}, TaskWord.BUSY),
        (500, {"code": 500}, TaskWord.TROUBLE),
        (502, b"<html>", TaskWord.TROUBLE),
        (200, b"garbage", TaskWord.TROUBLE),
        (200, {"code": 200, "data": None}, TaskWord.TROUBLE),
        (200, {"code": 200, "data": {"taskId": "t"}}, TaskWord.TROUBLE),
        (302, b"", TaskWord.TROUBLE),
    ],
)
def test_an_error_of_the_status_call_is_no_failure_of_the_task(status: int, body: Any, word: TaskWord) -> None:
    assert read_status(answer(status, body), "t").word is word


@pytest.mark.parametrize(
    ("status", "body", "balance"),
    [
        (200, {"code": 200, "data": 74.87}, Balance(TaskWord.SUCCESS, 74.87)),
        (200, {"code": 200, "data": "74.87"}, Balance(TaskWord.SUCCESS)),
        (200, {"code": 200, "data": True}, Balance(TaskWord.SUCCESS)),
        (200, {"code": 200, "data": 10**400}, Balance(TaskWord.SUCCESS)),
        (200, b'{"code": 200, "data": 1e400}', Balance(TaskWord.SUCCESS)),
        (404, {"code": 404, "data": None}, Balance(TaskWord.SUCCESS)),
        (401, {"code": 401, "data": None}, Balance(TaskWord.SUCCESS)),
        (429, b"", Balance(TaskWord.BUSY)),
        (200, {"code": 429, "data": None}, Balance(TaskWord.BUSY)),
        (503, {"code": 503, "data": 74.87}, Balance(TaskWord.TROUBLE, message="HTTP 503")),
        (200, b"", Balance(TaskWord.TROUBLE, message="the service answered 200 without a word that can be read")),
        (200, b"<html>", Balance(TaskWord.TROUBLE, message="the service answered 200 without a word that can be read")),
    ],
)
def test_the_balance_is_read_where_it_is_told(status: int, body: Any, balance: Balance) -> None:
    assert read_balance(answer(status, body)) == balance


def test_an_answer_about_another_task_says_nothing_of_this_one() -> None:
    told = answer(200, {"code": 200, "data": {"taskId": "task_2", "state": "failed", "failCode": "X"}})
    assert read_status(told, "task_1").word is TaskWord.TROUBLE
    assert read_status(told, "task_2").word is TaskWord.FAILED
    assert read_status(answer(200, {"code": 200, "data": {"state": "failed"}}), "task_1").word is TaskWord.FAILED


def test_a_service_that_fails_is_told_by_its_status() -> None:
    assert read_submitted(answer(503, {"code": 503, "message": "Service Unavailable"})).message == (
        "HTTP 503: Service Unavailable"
    )  # fmt: skip
    assert read_status(answer(502, b"<html>"), "t").message == "HTTP 502"
