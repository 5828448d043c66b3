"""Videos that are kept already, wherever that is: the destination may have been another when they were."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from threading import Lock

from batchgen.archive import Archive, open_archive


@dataclass
class Places:
    """Reads a video from the store that its place is in; a store is opened when it is first needed."""

    batch: Path  # the folder that the places of local videos are relative to
    _: KW_ONLY
    connections: int  # threads that read
    _lock: Lock = field(default_factory=Lock)
    _stores: dict[str, Archive] = field(default_factory=dict)

    def read(self, place: str) -> Iterator[bytes]:
        """Yield what was kept at ``place``, as :meth:`batchgen.archive.Archive.read` does."""
        bucket = "/".join(place.split("/")[:3]) if place.startswith("s3://") else ""
        with self._lock:
            if bucket not in self._stores:
                self._stores[bucket] = self._open(bucket or str(self.batch))
        return self._stores[bucket].read(place)

    def _open(self, destination: str) -> Archive:
        return open_archive(
            destination, tag="reader", scratch=self.batch, home=self.batch, connections=self.connections
        )
