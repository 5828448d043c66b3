"""Links to images that the service cannot follow, as is told by how they are written; nothing is looked up. Pure."""

import ipaddress
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from batchgen.download.addresses import may_connect

_OWN_NAMES = (".local", ".localhost", ".internal", ".lan")
_SINCE_AND_FOR = (("x-amz-date", "x-amz-expires"), ("x-goog-date", "x-goog-expires"), ("x-oss-date", "x-oss-expires"))


def is_inner(link: str) -> bool:
    """Whether a link's host is one that only a network of one's own knows."""
    host = (urlsplit(link).hostname or "").rstrip(".")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_OWN_NAMES)
    return not may_connect(host, allow_loopback=False)


def death(link: str) -> float | None:
    """When a signed link says that it dies (Unix seconds); None: it does not say so."""
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(link).query)}
    with suppress(KeyError, ValueError, OverflowError):
        for since, seconds in _SINCE_AND_FOR:  # AWS SigV4, Google Cloud Storage, Alibaba OSS V4
            if since in query:
                signed = datetime.strptime(query[since], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                return signed.timestamp() + int(query[seconds])
        if "signature" in query:  # AWS V2, CloudFront, Alibaba OSS V1
            return float(int(query["expires"]))
        if "sig" in query:  # Azure SAS
            ends = datetime.fromisoformat(query["se"])
            return (ends if ends.tzinfo else ends.replace(tzinfo=UTC)).timestamp()
    return None
