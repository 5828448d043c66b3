"""The images of a run: links are tried, files are uploaded before anything is paid, and signed as it pays."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from batchgen.errors import ArchiveError, ManifestError, nothing_sent
from batchgen.images.files import Files
from batchgen.images.unreachable import death, is_inner
from batchgen.ledger import Ledger
from batchgen.ledger.images import links_to_send, links_to_try, wanted_images
from batchgen.model import EMULATOR
from batchgen.request import IMAGE_FILE, Request, public_url
from batchgen.settings import Settings, is_loopback
from batchgen.words import first_of, many

if TYPE_CHECKING:
    from batchgen.images.bucket import ImageBucket

SHOWN = 3  # links, of any number
_PRETENDED = "https://emulator.invalid/picture"  # the videos that it draws follow from these letters


def try_links(settings: Settings, ledger: Ledger, manifest: str) -> None:
    """Try the links of what a run would ask for. Raises :class:`ManifestError` with all that lead to no image."""
    if not settings.check_images:
        return
    from batchgen.images.links import check_links

    states = ["pending"]
    states += ["failed", "expired"] if settings.retry_failed else []
    states += ["in_doubt"] if settings.resubmit_in_doubt else []
    links = ((url, line) for url, line in links_to_try(ledger, *states) if not IMAGE_FILE.fullmatch(url))
    service = ledger.fact("service") or settings.service
    at_home = service == EMULATOR or is_loopback(service)
    problems = asyncio.run(check_links(links, allow_loopback=at_home))
    if problems:
        raise ManifestError(manifest, problems)


def doubtful_links(settings: Settings, ledger: Ledger) -> Iterator[str]:
    """What a person must know of links that the run would send, and the service could not follow."""
    if settings.emulator:  # which follows none
        return
    inner: list[str] = []
    dead: list[str] = []
    now, at_home = time.time(), is_loopback(settings.service)
    for link in links_to_send(ledger):
        if IMAGE_FILE.fullmatch(link):
            continue
        if not at_home and is_inner(link):
            inner.append(public_url(link))
        elif (dies := death(link)) is not None and dies < now:
            dead.append(public_url(link))
    if inner:
        links = many(len(inner), "link to an image leads", "links to images lead")
        yield (
            f"{links} into a network of your own, where the service does not come ({first_of(inner, SHOWN)}): "
            "put images where anybody can fetch them, or name their files and give --images-to"
        )
    if dead:
        links = many(len(dead), "link to an image has expired", "links to images have expired")
        yield f"{links}, by the date in it ({first_of(dead, SHOWN)}): sign anew, or what is asked for comes to nothing"


class RunImages:
    """The images of one run that were files, in its bucket; the emulator follows no link, and needs no bucket."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.images_to
        self._is_pretended = settings.emulator and self._address is None

    @cached_property
    def _bucket(self) -> "ImageBucket":
        if self._address is None:
            raise ArchiveError("images on this machine are needed: say --images-to s3://bucket/prefix")
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
