"""Images on this machine, named by a manifest: what is in them is what counts, not where they are.

In a request stands ``sha256:<hex>.<format>`` in the place of the file: so an image that is moved, or comes under
another name, is the same, and its video is not bought again.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from unicodedata import normalize

from batchgen.images.formats import BEGINNING_BYTES, MOST_BYTES, check
from batchgen.images.near import Near
from batchgen.request import IMAGE_FILE


class Files:
    """The images that a manifest names by their paths, relative to ``folder``; each file is read once.

    ``before`` are the names of a former reading: a file that is gone since then is taken as it was, so that the video
    that was made of it is not bought again.
    """

    def __init__(self, folder: Path, *, may_upload: bool, before: Mapping[str, str] | None = None) -> None:
        self.gone: dict[str, None] = {}  # their names
        self._folder = folder
        self._may_upload = may_upload
        self._before = {name: image for image, name in (before or {}).items()}
        self._names: dict[str, str] = {}
        self._known: dict[Path, str] = {}
        self._paths: dict[str, Path] = {}
        self._near = Near(folder)

    def refer(self, text: str) -> str:
        """Return what stands for a file in a request; what stands there already is returned as it is.

        Raises ValueError, the end of a sentence, for what is no image that can be sent; PermissionError, what is wrong
        with every image alike, where none may be uploaded.
        """
        if not IMAGE_FILE.fullmatch(text):
            text = self._read(text)
        if not self._may_upload:
            raise PermissionError(
                "an image on this machine, where the service cannot fetch it; "
                "write a link, or with --images-to s3://bucket/prefix it is uploaded there"
            )
        return text

    def path(self, image: str) -> Path | None:
        """Where an image is, if the manifest named its file."""
        return self._paths.get(image)

    def names(self) -> dict[str, str]:
        """What the manifest called each file, by what stands for it in a request."""
        return dict(self._names)

    def _read(self, text: str) -> str:
        path = self._find(text)
        if text in self._before and not os.path.lexists(path):
            self.gone[text] = None
            return self._before[text]
        if path not in self._known:
            try:
                self._known[path] = image_in(path)
            except ValueError as error:
                raise ValueError(f"{error}{'' if os.path.lexists(path) else self._near.question(text)}") from None
            self._paths.setdefault(self._known[path], path)
            self._names.setdefault(self._known[path], text)
        return self._known[path]

    def _find(self, text: str) -> Path:
        """The file of this name; on its disk the letters may stand in the other normal form, as from a Mac."""
        forms = (text, normalize("NFC", text), normalize("NFD", text))
        return self._folder / next((form for form in forms if os.path.isfile(self._folder / form)), text)


def image_in(path: Path) -> str:
    """What stands for the file in a request. Raises ValueError, the end of a sentence."""
    try:
        if not path.is_file():
            raise ValueError(f"is neither a link (https://… in full) nor a file in {path.parent}")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
            size = len(content) if len(content) <= MOST_BYTES else max(MOST_BYTES + 1, path.stat().st_size)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    form = check(content[:BEGINNING_BYTES], size)
    return f"sha256:{hashlib.sha256(content).hexdigest()}.{form}"
