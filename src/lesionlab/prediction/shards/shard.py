"""Shards, and the images in them: files, a WebDataset tar archive, or rows of a Parquet file."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from lesionlab.errors import ImageError
from lesionlab.images import ImageSource, NamedImage, read_image_bytes
from lesionlab.images.files import LeftOut
from lesionlab.images.remote import is_remote
from lesionlab.prediction.inference.batching import prefetched
from lesionlab.prediction.inference.preprocessing import name_of
from lesionlab.prediction.shards.containers import read_parquet, read_tar
from lesionlab.results import Failure

_READERS = 8  # requests at a time to a remote file system

Image = ImageSource | Failure


@dataclass(frozen=True)
class Shard:
    """Images that one worker predicts in one go: one line of a run's manifest.

    Attributes:
        count: Number of images; None for a tar archive, which is read once only.
        images: Locations of images.
        tar: Location of a tar archive, in place of images.
        parquet: Location of a Parquet file, in place of images.
        row_groups: The first row group of the Parquet file, and the one after the last.
        rows: The first row in these row groups, and the one after the last.
    """

    count: int | None
    images: tuple[str, ...] = ()
    tar: str | None = None
    parquet: str | None = None
    row_groups: tuple[int, int] = (0, 0)
    rows: tuple[int, int] = (0, 0)

    def to_json(self) -> str:
        """Return one line of JSON in ASCII, so that names with bytes that are not UTF-8 stay as they are."""
        return json.dumps({k: v for k, v in vars(self).items() if k == "count" or v != getattr(Shard, k)})

    @classmethod
    def from_json(cls, line: str) -> "Shard":
        """Return the shard of a line."""
        values: dict[str, Any] = json.loads(line)
        arrays = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**(values | arrays))

    def read(self, folder: str, left_out: LeftOut) -> Iterator[Image]:
        """Yield the images in their order; an image that cannot be read gives a failure in its place.

        Args:
            folder: The folder that relative locations refer to.
            left_out: Counts files in an archive that are no images.
        """
        if self.tar is not None:
            return read_tar(self.tar, _place(self.tar, folder), left_out)
        if self.parquet is not None:
            return read_parquet(self.parquet, _place(self.parquet, folder), self.row_groups, self.rows)
        if any(map(is_remote, self.images)):
            return prefetched(_read_url, self.images, ahead=2 * _READERS, threads=_READERS)
        return (NamedImage(image, _place(image, folder)) for image in self.images)


@dataclass(frozen=True)
class Piece:
    """A shard, or some images of it, to be predicted by one worker.

    Attributes:
        number: Number of the shard in the manifest.
        shard: The shard.
        start: Position of the first image.
        stop: Position after the last image; None: the end of the shard.
        failed: Reasons by position for images that are not read again, since they have ended a worker.
    """

    number: int
    shard: Shard
    start: int = 0
    stop: int | None = None
    failed: Mapping[int, str] = field(default_factory=dict)

    def read(self, folder: str, left_out: LeftOut) -> Iterator[Image]:
        """Yield the images; see `Shard.read`."""
        images = islice(self.shard.read(folder, left_out), self.start, self.stop)
        for position, image in enumerate(images, self.start):
            reason = self.failed.get(position)
            if reason is not None and not isinstance(image, Failure):
                image = Failure(image=name_of(image, position), error=reason)  # noqa: PLW2901 - in its place
            yield image

    def halves(self, folder: str) -> tuple["Piece", "Piece"] | None:
        """Return both halves; None for a single image."""
        stop = self.stop
        if stop is None:
            stop = self.shard.count or sum(1 for _ in self.shard.read(folder, LeftOut()))
        middle = (self.start + stop) // 2
        if middle == self.start:
            return None
        first, last = (self.start, middle), (middle, stop)
        return Piece(self.number, self.shard, *first), Piece(self.number, self.shard, *last)


def _place(location: str, folder: str) -> str:
    return location if is_remote(location) else os.path.join(folder, location)


def _read_url(location: str, _index: int) -> Image:
    name = name_of(location, 0)
    try:
        return NamedImage(name, read_image_bytes(location))
    except ImageError as error:
        return Failure(image=name, error=str(error))
