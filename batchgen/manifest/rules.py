"""The one coercion: a record of text cells -> a job, or everything that is wrong with it. Pure, for every format."""

import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, TypeVar

from batchgen.catalog import Accepts, accepts
from batchgen.manifest import values
from batchgen.manifest.values import Refused
from batchgen.request import Form, Request, with_newlines

TEXT_TO_VIDEO = "text-to-video"
IMAGE_TO_VIDEO = "image-to-video"
MISSING_PROMPT = "the prompt is missing; write what the video is to show, or leave the row out"
# What a blank begins with, a formula, or a spreadsheet's error (#REF!, Err:508).
_DOUBTFUL_SIGNS = frozenset(["", " ", "=", "#", "e", "E"])
_MOST_REMEMBERED = 10_000  # distinct sets of choices that are kept in memory

T = TypeVar("T")


class Cells(NamedTuple):
    """A record of a manifest as text, whatever its format; a blank cell means the service's default."""

    mode: str = ""
    prompt: str = ""
    resolution: str = ""
    duration: str = ""
    aspect_ratio: str = ""
    image_urls: str = ""
    negative_prompt: str = ""
    seed: str = ""
    enable_prompt_expansion: str = ""
    provider: str = ""
    id: str = ""
    seeds: str = ""


KNOWN = Cells._fields  # every column or key that has a meaning here
# Those with few different values, which are judged together, once for each set of cells.
CHOICES = ("mode", "resolution", "duration", "aspect_ratio", "enable_prompt_expansion", "provider")


UNMISTAKABLE = ("resolution", "aspect_ratio", "image_urls")  # whose values look like nothing else
_IMAGE = re.compile(r"[^?]+\.(?:jpe?g|png|webp)(?:\?.*)?", re.IGNORECASE)  # a link, or a file's name


class Finding(NamedTuple):
    """What is wrong with one parameter of a record, and how to mend it."""

    parameter: str
    message: str
    fatal: bool = True


class Recipe(NamedTuple):
    """A record that is in order: its request, and what it is to be expanded by."""

    request: Request
    id: str | None
    seeds: tuple[int, ...]  # one video of each; empty: one video, with the request's own seed


class _Choices(NamedTuple):
    """What the cells of ``CHOICES`` mean."""

    mode: str | None  # where it was chosen
    facts: dict[str, Any]  # of the request
    findings: tuple[Finding, ...]
    form: Form | None  # of the request without an image; None: there was a finding, or there must be one


class Rules:
    """What a model accepts, applied to records; remembers judgements, so one instance serves a whole file.

    ``image_of`` gives what stands in a request for a file, or raises ValueError or PermissionError; None: no files.
    """

    def __init__(self, model: str, image_of: Callable[[str], str] | None = None) -> None:
        self._model = model
        self._accepts: Accepts = accepts(model)
        self._images: Callable[[str], tuple[str, ...]] = lambda cell: values.images(cell, image_of)
        self._remembered: dict[tuple[str, ...], _Choices] = {}
        self.prompt_characters = self._accepts.advised_prompt_characters
        self.negative_prompt_characters = self._accepts.advised_negative_prompt_characters

    def judge(self, cells: tuple[str, ...]) -> tuple[Recipe | None, list[Finding]]:
        """Return the job of :class:`Cells` (None if something fatal was found) and every finding, the questions too."""
        # A million rows pass here: the cells are unpacked once, and a blank one costs no call.
        mode, prompt, resolution, duration, ratio, urls, negative, seed, expansion, provider, name, seeds = cells
        key = (mode, resolution, duration, ratio, expansion, provider)
        chosen = self._remembered.get(key) or self._remember(key)
        findings = list(chosen.findings)
        facts = chosen.facts.copy()
        images: tuple[str, ...] = ()
        if urls:
            images = facts["image_urls"] = _taken(findings, "image_urls", urls, self._images) or ()
            if images and not chosen.mode:
                facts["mode"] = IMAGE_TO_VIDEO
        facts["prompt"] = _prose(findings, "prompt", prompt, self.prompt_characters)
        if negative:
            facts["negative_prompt"] = _prose(findings, "negative_prompt", negative, self.negative_prompt_characters)
        if seed:
            facts["seed"] = _taken(findings, "seed", seed, values.seed)
        identity = _taken(findings, "id", name, values.identity) if name else None
        many = self._seeds(seed, seeds, findings) if seeds else ()
        if urls or chosen.mode == IMAGE_TO_VIDEO:
            self._check_images(chosen.mode, urls, images, findings)
        if not facts["prompt"]:
            _check_missing(findings)
        fatal = findings and any(found.fatal for found in findings)
        return (None if fatal else Recipe(Request.of(facts), identity, many)), findings

    def form(self, cells: tuple[str, ...]) -> Form | None:
        """The form of the requests with these cells of ``CHOICES``; None: each record that has them is to be judged."""
        return (self._remembered.get(cells) or self._remember(cells)).form

    def takes(self, parameter: str, cells: Collection[str]) -> bool:
        """Whether each cell is a value of the parameter, which is one of ``UNMISTAKABLE``."""
        if parameter == "image_urls":
            return all(map(_IMAGE.fullmatch, cells))
        allowed = self._accepts.resolutions if parameter == "resolution" else self._accepts.aspect_ratios
        return all(cell.casefold() in allowed for cell in cells)

    def _remember(self, key: tuple[str, ...]) -> _Choices:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        chosen = self._remembered[key] = self._choose(*key)
        return chosen

    def _choose(
        self, mode: str, resolution: str, duration: str, aspect_ratio: str, expansion: str, provider: str
    ) -> _Choices:
        found: list[Finding] = []
        known = self._accepts

        def one_of(name: str, cell: str, allowed: tuple[str, ...]) -> str | None:
            return _taken(found, name, cell, lambda text: values.choice(name, text, allowed))

        chosen = one_of("mode", mode, known.modes)
        facts = {
            "model": self._model,
            "mode": chosen or TEXT_TO_VIDEO,
            "resolution": one_of("resolution", resolution, known.resolutions),
            "duration": _taken(found, "duration", duration, lambda text: values.duration(text, known.durations)),
            "aspect_ratio": one_of("aspect_ratio", aspect_ratio, known.aspect_ratios),
            "enable_prompt_expansion": _taken(found, "enable_prompt_expansion", expansion, values.expansion),
            "provider": one_of("provider", provider, known.providers),
        }
        is_plain_form = not found and chosen != IMAGE_TO_VIDEO
        return _Choices(chosen, facts, tuple(found), Request.of(facts).form if is_plain_form else None)

    @staticmethod
    def _seeds(seed: str, seeds: str, findings: list[Finding]) -> tuple[int, ...]:
        if seed.strip() and seeds.strip():
            findings.append(Finding("seeds", "both seed and seeds are filled; empty one of the two"))
        return _taken(findings, "seeds", seeds, values.seeds) or ()

    def _check_images(self, mode: str | None, urls: str, images: tuple[str, ...], findings: list[Finding]) -> None:
        given = bool(urls.strip()) and urls.strip() != "[]"
        if mode == TEXT_TO_VIDEO and given:
            message = f"the mode is {TEXT_TO_VIDEO} but image_urls is filled; write {IMAGE_TO_VIDEO} or empty it"
            findings.append(Finding("image_urls", message))
        if mode == IMAGE_TO_VIDEO and not given:
            message = f"the mode is {IMAGE_TO_VIDEO} but image_urls is empty; give the link of an image"
            findings.append(Finding("image_urls", message))
        asked = dict.fromkeys(filter(None, map(values.no_image, images)))
        findings += [Finding("image_urls", question, fatal=False) for question in asked]
        _advise(findings, "image_urls", len(images), self._accepts.advised_images, "images")


def is_plain(cell: str, most: int) -> bool:
    """Whether a prompt of up to ``most`` characters is taken as it stands, with nothing to find in it: most are."""
    return (
        cell[:1] not in _DOUBTFUL_SIGNS
        and len(cell) <= most
        and (len(cell) > values.STOPGAP_CHARACTERS or not values.is_stopgap(cell))
        and (cell.isprintable() or not (cell[0].isspace() or values.unsendable(cell)))
        and (cell.isascii() or not values.doubtful("prompt", cell))
    )


def _prose(findings: list[Finding], name: str, cell: str, most: int) -> str | None:
    """Return a prompt to the character but for its line ends, or None if it is blank or refused."""
    cell = with_newlines(cell)
    if is_plain(cell, most):
        return cell
    if not cell or cell.isspace():
        return None
    _advise(findings, name, len(cell), most, "characters")
    if question := values.doubtful(name, cell):
        findings.append(Finding(name, question, fatal=False))
    return _taken(findings, name, cell, lambda text: values.prose(name, text))


def _check_missing(findings: list[Finding]) -> None:
    """Tell of a prompt that is not there, unless there is one and it was refused."""
    if not any(found.parameter == "prompt" and found.fatal for found in findings):
        findings.append(Finding("prompt", MISSING_PROMPT))


def _taken(findings: list[Finding], name: str, cell: str, take: Callable[[str], T]) -> T | None:
    """Return the cell's value; None if it is blank, or refused (which is then among the findings)."""
    if not cell or cell.isspace():
        return None
    try:
        return take(cell)
    except Refused as refused:
        findings.append(Finding(name, str(refused)))
        return None


def _advise(findings: list[Finding], name: str, amount: int, most: int, unit: str) -> None:
    if amount > most:
        message = f"{name} has {amount} {unit}, the service advises at most {most}; it may refuse or cut it"
        findings.append(Finding(name, message, fatal=False))
