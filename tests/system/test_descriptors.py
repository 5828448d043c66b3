"""What a process may have open, and who gets how much of it."""

import subprocess
import sys

import pytest

SHARE = """
import resource, sys
from batchgen.system.descriptors import raised, share
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
with raised():
    print(*share({downloads}), *resource.getrlimit(resource.RLIMIT_NOFILE))
assert resource.getrlimit(resource.RLIMIT_NOFILE) == ({soft}, {hard})
"""


def shared(soft: int, hard: int, downloads: int) -> list[int]:
    code = SHARE.format(soft=soft, hard=hard, downloads=downloads)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_the_system_is_asked_for_as_many_as_it_may_give_and_no_more_than_are_needed() -> None:
    assert shared(256, 1024, 32)[2:] == [1024, 1024]
    assert shared(256, 20_000, 32)[2:] == [4096, 20_000]
    assert shared(8192, 20_000, 32)[2:] == [8192, 20_000]


@pytest.mark.parametrize(("limit", "downloads"), [(256, 32), (256, 256), (1024, 256), (4096, 32), (4096, 256)])
def test_connections_and_downloads_stay_within_what_there_is(limit: int, downloads: int) -> None:
    connections, at_once, *_ = shared(limit, limit, downloads)
    assert connections + 3 * at_once <= limit - 64
    assert connections >= 90
    assert at_once == min(downloads, (limit - 64) // 6)
