"""Whether a run is at work on a batch."""

import json
import os
from pathlib import Path


def is_running(batch: Path) -> bool:
    """Whether the process that last locked the batch is alive. The lock itself is not touched: a run may want it."""
    try:
        os.kill(int(json.loads((batch / ".lock").read_bytes())["pid"]), 0)
    except PermissionError:  # it is somebody else's, and alive
        return True
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return False
    return True
