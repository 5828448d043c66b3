"""A network out of which only a proxy leads."""

import ssl
from pathlib import Path

import pytest

from tests.e2e.program import QUICK, batchgen, emulated, paid, prompts, wrong_files
from tests.proxy import proxy_to

SERVICE = "https://videos.example"  # which no name server knows


@pytest.mark.parametrize("refusals", [0, 3])
async def test_the_service_and_its_videos_are_reached_through_the_proxy_alone(
    tmp_path: Path, certificate: Path, refusals: int
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    prompts(tmp_path / "p.csv", 5)
    async with emulated() as emulator, proxy_to(int(emulator.url.rpartition(":")[2]), tls, refusals) as proxy:
        emulator.url = SERVICE
        way = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": f"{certificate}.crt"}
        ended = await batchgen("run", "p.csv", "--base-url", SERVICE, "--json", *QUICK, cwd=tmp_path, **way)
        assert (ended.code, ended.summary["archived"], ended.summary["in_doubt"]) == (0, 5, 0), ended.err
        assert {len(tasks) for tasks in paid(emulator).values()} == {1}
        assert await wrong_files(emulator, tmp_path / "p.batch") == []
    assert {head.split()[1] for head in proxy.heads} == {"videos.example:443"}


async def test_a_proxy_of_another_kind_is_told_before_anything_is_made(tmp_path: Path) -> None:
    prompts(tmp_path / "p.csv", 1)
    way = {"HTTPS_PROXY": "socks5://user:secret@127.0.0.1:1080"}
    ended = await batchgen("run", "p.csv", cwd=tmp_path, **way)
    assert ended.code == 2
    assert "HTTPS_PROXY is no proxy that can be used; write it like http://proxy.example:3128" in ended.err
    assert "secret" not in ended.err
    assert not (tmp_path / "p.batch").exists()
    assert (await batchgen("plan", "p.csv", cwd=tmp_path, **way)).code == 0
    assert (await batchgen("run", "p.csv", "--emulator", cwd=tmp_path, **way)).code == 0
