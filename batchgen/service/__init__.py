"""The hosted service: one try a call, in the words of the API's document."""

from batchgen.service.client import Client
from batchgen.service.wire import Submitted, TaskStatus, TaskWord, Verdict

__all__ = ["Client", "Submitted", "TaskStatus", "TaskWord", "Verdict"]
