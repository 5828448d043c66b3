"""All that works in a run, put together: the account, the steps, what hands them jobs, and what stands beside."""

from collections.abc import Callable
from functools import partial

from batchgen.archive import Archive
from batchgen.archive.places import Places
from batchgen.dispatch.dispatcher import Dispatcher, Stop
from batchgen.doubts.candidates import Candidates
from batchgen.download.downloader import Downloader
from batchgen.errors import BatchgenError
from batchgen.ledger import Ledger, standing
from batchgen.ledger.expected import awaited_videos, video_bytes
from batchgen.ledger.rendered import Rendered
from batchgen.ledger.syncing import Syncing
from batchgen.model import Job
from batchgen.others import learned
from batchgen.pipeline import Pipeline
from batchgen.replica import Replica
from batchgen.service.client import Client
from batchgen.settings import Settings
from batchgen.sheet.images import RunImages
from batchgen.spending.disk_space import DiskSpace
from batchgen.spending.limits import Spending
from batchgen.steering.control import Desk
from batchgen.steering.progress import Progress, Tally
from batchgen.steering.steering import Steering
from batchgen.steering.stopping import last_call
from batchgen.steps.fetch import FetchStep
from batchgen.steps.intend import IntendStep
from batchgen.steps.poll import PollStep
from batchgen.steps.submit import SubmitStep


class Assembly:
    """The parts of one run; ``client`` and ``downloader`` are connected, and ``desk`` is that of this process."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        replica: Replica,
        archive: Archive,
        client: Client,
        downloader: Downloader,
        desk: Desk,
        progress: Progress,
    ) -> None:
        self._replica = replica
        self.account = account = learned.account_of(settings, ledger)
        self.polling = polling = learned.polling_of(settings, ledger)
        sizes = partial(video_bytes, ledger, latest=100)
        disk_space = DiskSpace(settings.batch, archive.free_bytes, partial(awaited_videos, ledger), sizes)
        self.spending = spending = Spending(ledger, settings.limits, disk_space)
        self.syncing = Syncing(ledger.database)
        self.candidates = Candidates(ledger, account, client)
        last, callbacks = last_call(settings), settings.callback_url is not None
        self.intend = IntendStep(
            ledger, account, polling, spending, callbacks=callbacks, last_call=last, whole=RunImages(settings).whole
        )
        submit = SubmitStep(
            *(ledger, account, polling, client, spending, settings.batch),
            durable=self._durable,
            callback_url=settings.callback_url,
            if_lost=self.syncing.if_lost,
        )
        poll = PollStep(ledger, account, polling, client)
        places = Places(settings.batch, connections=settings.downloads)
        fetch = FetchStep(ledger, account, client, downloader, archive, places, last_call=last)
        tally = Tally(standing.counts(ledger, selected=True))
        self.dispatcher = dispatcher = Dispatcher(
            *(ledger, Rendered(ledger), account, polling, Pipeline(self.intend, submit, poll, fetch)),
            downloads=settings.downloads,
            changed=_counted(ledger, tally),
            may_submit=settings.may_submit,
            callbacks=callbacks,
            first=self.candidates.verify_all,
        )
        self.steering = Steering(
            *(desk, dispatcher, account, polling, tally, progress),
            affordable=spending.affordable,
            deadline=settings.deadline,
            has_ledger=lambda: ledger.database.is_at_its_place,
            copy_trouble=lambda: replica.trouble,
        )

    async def _durable(self) -> None:
        """Wait until all that the ledger holds is everywhere that it is kept."""
        await self.syncing.durable()
        await self._replica.durable()

    def halt(self, error: BatchgenError) -> None:
        """End the run: its ledger cannot be kept any more, or its copy is another run's or cannot be continued."""
        self.dispatcher.halt(Stop.of(error))


def _counted(ledger: Ledger, tally: Tally) -> Callable[[Job, Job], None]:
    """What counts the steps of jobs: of those alone that were asked for, though the run fetches for others too."""
    if not ledger.is_selecting:
        return tally.changed
    return lambda before, after: tally.changed(before, after) if ledger.is_selected(before) else None
