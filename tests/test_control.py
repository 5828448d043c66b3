"""Orders to a run: each is taken, one after the other."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from batchgen.control import LOOK_EVERY_SECONDS, ORDER, Desk, Order, send
from batchgen.lock import Lock, holder


def test_an_order_waits_until_the_one_before_it_is_taken(tmp_path: Path) -> None:
    with Lock(tmp_path / ".lock"), ThreadPoolExecutor(1) as other:
        desk = Desk(tmp_path)
        first = Order(concurrency=1, id="first", to=holder(tmp_path / ".lock"))
        (tmp_path / ORDER).write_text(json.dumps(asdict(first)))
        sent = other.submit(send, tmp_path, Order(concurrency=2))
        time.sleep(3 * LOOK_EVERY_SECONDS)
        assert desk.take() == first
        while not (second := desk.take()) and not sent.done():
            time.sleep(0.01)
        assert second
        desk.publish({"concurrency": second.concurrency})
        assert sent.result()["concurrency"] == 2
