"""Where the service is: on the network, or an emulator embedded here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from batchgen.settings import EMULATOR_SPEED, Settings

if TYPE_CHECKING:
    from batchgen.run import Service


def service_of(settings: Settings) -> "Service":
    """The service that a run uses: entered, it gives the origin."""
    return partial(_origin, settings)


@asynccontextmanager
async def _origin(settings: Settings) -> AsyncIterator[str]:
    if not settings.emulator:
        yield settings.base_url
        return
    from batchgen.emulator.server import Emulator

    async with Emulator(speed=EMULATOR_SPEED, state=settings.batch / ".emulator") as emulator:
        yield emulator.url
