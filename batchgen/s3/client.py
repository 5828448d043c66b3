"""The way to a bucket: an address taken apart, and a client with the standard AWS configuration."""

from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from batchgen.errors import UsageError


def split(address: str) -> tuple[str, str]:
    """Return bucket and prefix (or key) of ``s3://bucket/prefix``; raises UsageError for what S3 would misread."""
    bucket, _, rest = address.removeprefix("s3://").partition("/")
    prefix = rest.strip("/")
    bad_parts = {"", ".", ".."} & set(prefix.split("/")) if prefix else set()
    if not address.startswith("s3://") or not bucket or bad_parts or not address.isprintable():
        raise UsageError(f"{address!r}: give s3://bucket/prefix, no part of it empty, '.' or '..'")
    return bucket, prefix


def connect(connections: int, **more: Any) -> tuple[Any, bool]:
    """Make the one client, which threads may share (its session they may not), and say if it is Amazon's.

    Other stores refuse the checksums that boto3 adds by itself since 1.36 (boto/boto3#4392); there the body is
    signed instead, so that one that was damaged on its way is refused by them too. ``more`` are settings of botocore's.
    """
    session = boto3.session.Session()
    settings: dict[str, Any] = {
        "retries": {"mode": "standard", "max_attempts": 8},
        "max_pool_connections": max(10, connections),
        "connect_timeout": 10,
        "read_timeout": 60,
        **more,
    }
    client = session.client("s3", config=Config(**settings))
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        return client, True
    settings |= {
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "s3": {"payload_signing_enabled": True},
    }
    return session.client("s3", config=Config(**settings)), False
