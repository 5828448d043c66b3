"""Which proxy of the environment leads to an address."""

import pytest

from batchgen.errors import UsageError
from batchgen.system.proxy import proxy_of

SERVICE = "https://api.apixo.ai"
PROXY = "http://user:secret@proxy.example:3128"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_an_address_is_reached_through_the_proxy_of_its_scheme(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, PROXY)
    assert (proxy_of(SERVICE), proxy_of("http://pictures.example/a.png")) == (PROXY, None)
    monkeypatch.setenv("HTTP_PROXY", "http://other.example")
    assert proxy_of("http://pictures.example/a.png") == "http://other.example"


def test_a_proxy_without_a_scheme_is_one_of_http_as_curl_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert proxy_of(SERVICE) == "http://proxy.example:3128"


@pytest.mark.parametrize("hosts", ["api.apixo.ai", "other.example,.apixo.ai", "apixo.ai", "*"])
def test_a_host_of_no_proxy_is_reached_without_one(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "other.example")
    assert proxy_of(SERVICE) == PROXY
    monkeypatch.setenv("NO_PROXY", hosts)
    assert proxy_of(SERVICE) is None
    assert proxy_of(f"{SERVICE}:8443/api") is None


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "https://localhost", "https://[::1]:8443"])
def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert proxy_of(origin) is None


@pytest.mark.parametrize(
    "proxy",
    ["socks5h://user:secret@proxy.example:1080", "http://", "http://user:secret@proxy.example:port", "http://["],
)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable_alone(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UsageError) as caught:
        proxy_of(SERVICE)
    assert str(caught.value) == (
        "HTTPS_PROXY is no proxy that can be used; write it like http://proxy.example:3128, or name api.apixo.ai in "
        "NO_PROXY"
    )
