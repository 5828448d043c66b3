"""What S3 and boto3 say, as sentences for a person, and whether another try or another file may fare better."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ResponseStreamingError,
)

from batchgen.errors import BatchgenError

# "Error responses" of the Amazon S3 API reference; those of other stores as they were seen.
_RENEW = "the credentials have expired; renew them (for instance with `aws sso login`), and run again"
_REGION = "the bucket is in another region, or the endpoint expects another; set AWS_REGION to the bucket's"
_DENIED = "{action} is refused; the credentials need {needed} there"
_SPACE = "the store has no space or quota left; free some, or choose another destination with {flag}"
_ADVICE = {
    "NoSuchBucket": "there is no such bucket; create it, or correct {flag}",
    "InvalidBucketName": "this is not a valid bucket name; correct {flag}",
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "403": _DENIED,
    "401": _DENIED,
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "TokenRefreshRequired": _RENEW,
    "InvalidToken": _RENEW,
    "RequestExpired": _RENEW,
    "InvalidAccessKeyId": "the access key is not known there; correct AWS_ACCESS_KEY_ID or the profile",
    "SignatureDoesNotMatch": "the secret key is wrong; correct AWS_SECRET_ACCESS_KEY or the profile",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it, and run again",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "301": _REGION,
    "QuotaExceeded": _SPACE,
    "InsufficientStorage": _SPACE,
    "XMinioStorageFull": _SPACE,
    "507": _SPACE,
    "400": "it refuses the request; the credentials may have expired, or the region may be wrong (AWS_REGION)",
}
# What the credentials need, by the flag that named the place.
_NEEDED = {
    "--to": "s3:PutObject, s3:GetObject and s3:DeleteObject",
    "--ledger-to": "s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket",
    "--images-to": "s3:PutObject and s3:GetObject",
}
# The permissions of the requests that are called otherwise.
_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "DeleteObjects": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}
_NAMED = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")  # by Amazon, such as kms:GenerateDataKey
# Codes of this file or of this moment; every other 4xx would meet the next file too.
_PASSING = frozenset(
    {"SlowDown", "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "KeyTooLongError"}
    | {"OperationAborted", "ConditionalRequestConflict", "EntityTooLarge", "NoSuchUpload", "NoSuchKey"}
    | {"PreconditionFailed", "404", "408", "409", "412", "429"}
)
_NETWORK = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError)


def code_of(error: ClientError) -> str:
    """Return S3's code for the error; the HTTP status where the answer had no body (HEAD)."""
    return str(error.response.get("Error", {}).get("Code", "")) or str(status_of(error))


def status_of(error: ClientError) -> int:
    """Return the HTTP status of the answer; 0 where it had none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def explained(error: BotoCoreError | ClientError, where: str, flag: str = "--to") -> tuple[str, bool]:
    """Explain ``error`` at ``where``, which was named with ``flag``, and whether no other request would fare better.

    Without the store's own text, which may name keys and hosts.
    """
    if isinstance(error, ClientError):
        advice, lasts = _answered(error)
    else:
        advice, lasts = _unanswered(error), not isinstance(error, _NETWORK)
    return f"{where}: {advice.replace('{flag}', flag).replace('{needed}', _NEEDED[flag])}", lasts


@contextmanager
def refusals(kind: type[BatchgenError], where: str, flag: str = "--to") -> Iterator[None]:
    """Turn what boto3 says into an error of this kind."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise kind(explained(error, where, flag)[0]) from None


def _answered(error: ClientError) -> tuple[str, bool]:
    code, status = code_of(error), status_of(error)
    known = re.sub(r"[^A-Za-z0-9._-]", "?", code)[:60]
    advice = _ADVICE.get(code) or f"the store answered {known} (HTTP {status})"
    advice = advice.replace("{action}", _action(error))
    return advice, advice == _SPACE or (status < 500 and code not in _PASSING)


def _action(error: ClientError) -> str:
    """The permission that is lacking."""
    named = _NAMED.search(str(error.response.get("Error", {}).get("Message", "")))
    return named[1] if named else _ACTIONS.get(error.operation_name, f"s3:{error.operation_name}")


def _unanswered(error: BotoCoreError) -> str:
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return "there are no credentials for it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if isinstance(error, ProfileNotFound):
        return "AWS_PROFILE names a profile that is not in your AWS configuration"
    if isinstance(error, _NETWORK):
        return "the store cannot be reached, or the connection broke; check the network and AWS_ENDPOINT_URL"
    return f"your AWS configuration does not work ({type(error).__name__}); try `aws s3 ls`, and mend it"
