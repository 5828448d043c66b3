"""What each model accepts, from the API's document, with the service's other advice; and what it costs, with a date."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from batchgen.request import Request

DEFAULT_MODEL = "wan-2-5"
# When to ask for a task's state: after these seconds, and then as often.
DEFAULT_FIRST_POLL_SECONDS = 50.0
DEFAULT_POLL_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Accepts:
    """The values that a model's parameters may have; the numbers are advice, passed on as warnings."""

    modes: tuple[str, ...]
    resolutions: tuple[str, ...]
    durations: tuple[int, ...]  # seconds
    aspect_ratios: tuple[str, ...]
    providers: tuple[str, ...]
    advised_prompt_characters: int
    advised_negative_prompt_characters: int
    advised_images: int


MODELS = {
    "wan-2-5": Accepts(
        modes=("text-to-video", "image-to-video"),
        resolutions=("720p", "1080p"),
        durations=(5, 10),
        aspect_ratios=("16:9", "9:16", "1:1"),
        providers=("auto", "value", "official"),
        advised_prompt_characters=1500,
        advised_negative_prompt_characters=500,
        advised_images=1,
    ),
}


def accepts(model: str) -> Accepts:
    """What ``model`` accepts; of a model that is not in the table, what the default model does."""
    return MODELS.get(model, MODELS[DEFAULT_MODEL])


MICRO = 1_000_000  # money is counted in whole millionths of a US dollar


@dataclass(frozen=True)
class Prices:
    """US dollars for a second of video, by resolution, and the day on which they were seen on the vendor's pages."""

    date: str = "2026-11-22"
    usd_per_second: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({"720p": 0.08, "1080p": 0.13}))

    def of(self, request: Request) -> int:
        """What a request costs at most, in millionths of a dollar: what it leaves open is taken at the dearest."""
        known = self.usd_per_second
        rate = known.get(request.resolution or "", max(known.values()))
        seconds = request.duration or max(accepts(request.model).durations)
        return round(rate * seconds * MICRO)


GUESSED_BYTES = {"720p": 800_000, "1080p": 1_600_000}  # of a second of video


def guessed_bytes(request: Request) -> float:
    """The size of a video of which there is none yet to go by."""
    rate = GUESSED_BYTES.get(request.resolution or "", max(GUESSED_BYTES.values()))
    return float(rate * (request.duration or max(accepts(request.model).durations)))
