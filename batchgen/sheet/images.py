"""The images of a run: links are tried, files are uploaded before anything is paid, and signed as it pays."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from batchgen.errors import ArchiveError, ManifestError, nothing_sent
from batchgen.images.files import Files
from batchgen.ledger import Ledger
from batchgen.ledger.images import links_to_try, wanted_images
from batchgen.model import EMULATOR
from batchgen.request import IMAGE_FILE, Request
from batchgen.settings import Settings, is_loopback
from batchgen.words import many

if TYPE_CHECKING:
    from batchgen.images.bucket import ImageBucket

_PRETENDED = "https://emulator.invalid/picture"  # the videos that it draws follow from these letters


def try_links(settings: Settings, ledger: Ledger, manifest: str) -> None:
    """Try the links of what a run would ask for. Raises :class:`ManifestError` with all that lead to no image."""
    if not settings.check_images:
        return
    from batchgen.images.links import check_links

    states = ("pending", "failed", "expired") if settings.retry_failed else ("pending",)
    links = ((url, line) for url, line in links_to_try(ledger, *states) if not IMAGE_FILE.fullmatch(url))
    service = ledger.fact("service") or settings.service
    at_home = service == EMULATOR or is_loopback(service)
    problems = asyncio.run(check_links(links, allow_loopback=at_home))
    if problems:
        raise ManifestError(manifest, problems)


class RunImages:
    """The images of one run that were files, in its bucket; the emulator follows no link, and needs no bucket."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.images_to
        self._is_pretended = settings.emulator and self._address is None

    @cached_property
    def _bucket(self) -> "ImageBucket":
        if self._address is None:
            raise ArchiveError("images on this machine are needed: say --images-to s3://bucket/prefix", full=True)
        from batchgen.images.bucket import ImageBucket  # boto3 takes 0.2 s to load

        return ImageBucket(self._address)

    def provide(self, ledger: Ledger, files: Files, say: Callable[[str], None]) -> None:
        """Upload what the run needs and the bucket has not.

        Raises :class:`UsageError`, with nothing paid, where one cannot be had or the bucket does not take it.
        """
        needed = (url for url in wanted_images(ledger, "pending") if IMAGE_FILE.fullmatch(url))
        first = next(needed, None)
        if first is None or self._is_pretended:
            return
        with nothing_sent():
            if uploaded := self._bucket.provide(chain([first], needed), files.path):
                say(f"{many(uploaded, 'image was', 'images were')} uploaded to {self._address}")

    def whole(self, request: Request) -> Request:
        """The request with links in the place of its images: to be sent now, and never to be written down."""
        urls = tuple(self._link(url) if IMAGE_FILE.fullmatch(url) else url for url in request.image_urls)
        return replace(request, image_urls=urls) if urls != request.image_urls else request

    def _link(self, image: str) -> str:
        return _PRETENDED if self._is_pretended else self._bucket.sign(image)
