"""What the spelling of a link tells of whether the service can follow it."""

import time
from collections.abc import Iterator

import pytest

from batchgen.images.unreachable import death, is_inner


@pytest.fixture
def _far_east() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    "host",
    [
        "192.168.1.5",
        "10.0.0.1:8080",
        "127.0.0.1",
        "[::1]",
        "169.254.169.254",
        "localhost",
        "nas",
        "nas.local",
        "a.lan.",
    ],
)
def test_a_host_of_ones_own_network_is_told_by_its_name(host: str) -> None:
    assert is_inner(f"http://{host}/fox.jpg")


@pytest.mark.parametrize(
    "host", ["host.example", "8.8.8.8", "[2606:4700::1111]", "local.example", "xn--bcher-kva.example"]
)
def test_a_host_that_anybody_may_know_is_none_of_ones_own(host: str) -> None:
    assert not is_inner(f"https://{host}/fox.jpg")


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Date=20261126T120000Z&X-Amz-Expires=3600&X-Amz-Signature=s",
        "X-Goog-Date=20261126T120000Z&X-Goog-Expires=3600&X-Goog-Signature=s",
        "x-oss-date=20261126T120000Z&x-oss-expires=3600&x-oss-signature=s",
        "AWSAccessKeyId=a&Signature=s&Expires=1795698000",
        "sv=1&se=2026-11-26T13:00:00Z&sig=s",
        "sv=1&se=2026-11-26T13:00Z&sig=s",
        "sv=1&se=2026-11-26T13:00:00&sig=s",
    ],
)
@pytest.mark.usefixtures("_far_east")
def test_a_signed_link_says_when_it_dies_wherever_the_machine_is(query: str) -> None:
    assert death(f"https://host.example/fox.jpg?{query}") == 1795698000


@pytest.mark.parametrize(
    "query",
    [
        "",
        "Expires=1795698000",
        "se=2026-11-26T13:00:00Z",
        "X-Amz-Date=soon&X-Amz-Expires=1",
        "X-Amz-Date=20261126T120000Z",
        "Signature=s",
        "Signature=s&Expires=never",
        "sig=s&se=later",
        f"Signature=s&Expires={'9' * 400}",
    ],
)
def test_of_a_link_that_does_not_say_so_nothing_is_known(query: str) -> None:
    assert death(f"https://host.example/fox.jpg?{query}") is None
