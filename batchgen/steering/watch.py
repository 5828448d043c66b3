"""Watching a batch run: what its run says of itself, without touching its ledger."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from batchgen.folder.lock import holder
from batchgen.steering import control
from batchgen.steering.progress import Progress, Standing
from batchgen.words import duration

LOOK_EVERY_SECONDS = 1.0
SILENT_SECONDS = 10.0  # a run that says nothing for so long hangs, or waits for a slow disk


def watch(batch: Path, progress: Progress, say: Callable[[str], object]) -> bool:
    """Show how the run of a batch stands, until it ends or a person interrupts. Returns whether there was one."""
    was_running = has_said = False
    try:
        while holder(batch):
            was_running = True
            facts = control.read(batch)
            if facts:
                progress.show(_standing(facts))
            elif not has_said:
                has_said = True
                say(
                    f"{batch} is held: a run reads its manifest or writes its results, or it is not a run that holds it"
                )
            time.sleep(LOOK_EVERY_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        progress.end()
    return was_running


def _standing(facts: dict[str, object]) -> Standing:
    standing = Standing.from_facts(facts)
    silence = time.time() - float(str(facts["at"]))
    if silence < SILENT_SECONDS:
        return standing
    return replace(standing, seconds_left=None, waiting=f"the run has said nothing for {duration(silence)}")
