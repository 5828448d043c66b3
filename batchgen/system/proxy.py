"""The way to a host that is not this machine: the proxy that the environment names, as curl and boto3 take it."""

from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from batchgen.errors import UsageError
from batchgen.settings import is_loopback


def proxy_of(url: str) -> str | None:
    """The proxy for an address: that of HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY names its host; None: no proxy.

    Raises :class:`UsageError`, which shows no password, for a proxy that is none of HTTP.
    """
    parts = urlsplit(url)
    named = getproxies_environment().get(parts.scheme)
    if not named or is_loopback(url) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxy = named if "://" in named else f"http://{named}"
    if not _is_http(proxy):
        variable = f"{parts.scheme.upper()}_PROXY"
        raise UsageError(
            f"{variable} is no proxy that can be used; write it like http://proxy.example:3128, or name "
            f"{parts.hostname} in NO_PROXY"
        )
    return proxy


def _is_http(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        _ = parts.port  # which is read only when it is asked for
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
