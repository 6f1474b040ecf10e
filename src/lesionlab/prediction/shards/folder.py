"""The folder of a run in shards: a description, the manifest of shards, and the results as partitioned Parquet."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.base_models import StrictModel
from lesionlab.errors import DataError, UsageError
from lesionlab.files import cannot_write, remove_leftovers, replacing, sha256_of_file, try_lock, write_json
from lesionlab.prediction.shards.shard import Piece, Shard

DESCRIPTION: Final = "run.json"
MANIFEST: Final = "manifest.jsonl"
PREDICTIONS: Final = "predictions"
FAILURES: Final = "failures"


class Request(StrictModel):
    """All that the results depend on; a run is continued with the same request only.

    Attributes:
        images: The arguments that name the images, as absolute paths or URLs.
        model: Name and hash of the model.
        bundle_sha256: Hash of the bundle's description, which holds those of its files.
        options: Options of inference.
        shard_size: Number of images in a shard.
        version: Version of lesionlab.
    """

    images: tuple[str, ...]
    model: str
    bundle_sha256: str
    options: dict[str, str]
    shard_size: int
    version: str = __version__


class Description(StrictModel):
    """The content of `run.json`.

    Attributes:
        notice: The intended use.
        request: What was requested.
        folder: Relative locations in the manifest refer to this folder.
        shards: Number of shards.
        images: Number of images; None with tar archives, which are counted as they are read.
        manifest_sha256: Hash of the manifest.
    """

    notice: str = RESEARCH_ONLY
    request: Request
    folder: str
    shards: int
    images: int | None
    manifest_sha256: str


@dataclass(frozen=True)
class Counts:
    """Numbers of images: predicted, abstentions among them, failed; and of other files in tar archives."""

    predicted: int = 0
    abstained: int = 0
    failed: int = 0
    left_out: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def images(self) -> int:
        """Number of images with a row in the results."""
        return self.predicted + self.failed


@dataclass(frozen=True)
class ShardResult:
    """The results of one shard.

    Attributes:
        piece: The shard, or a part of it.
        predictions: Parquet file with a row for each predicted image.
        failures: Parquet file with a row for each other image.
        counts: Numbers of images.
    """

    piece: Piece
    predictions: bytes
    failures: bytes
    counts: Counts


class RunFolder:
    """The folder of a run; open in one process at a time.

    A shard is complete when its file in `predictions` exists; its file in `failures` is written before. Files are
    written under a temporary name, so that a process may be killed at any moment.

    Attributes:
        path: The folder.
        description: Its description.
    """

    def __init__(self, path: Path, description: Description) -> None:
        self.path, self.description = path, description

    @classmethod
    @contextmanager
    def opened(cls, path: Path, request: Request, shards: Iterable[Shard]) -> "Iterator[RunFolder]":
        """Open a run, or start a new one.

        Args:
            path: A new or empty folder, or that of a run with the same request.
            request: The request.
            shards: The shards of a new run; read only for a new one.

        Raises:
            UsageError: The folder holds something else, or a run with another request.
            DataError: Another process has opened the run, or its description or manifest is damaged.
            LesionlabError: The folder cannot be written.
        """
        _check(path)
        lock = path / ".lock"
        try:
            path.mkdir(parents=True, exist_ok=True)
            stream = lock.open("ab")
        except OSError as error:
            raise cannot_write(lock, error) from error
        with stream:
            if not try_lock(stream):
                raise DataError(f"{path}: another process is working on this run; wait for its end")
            remove_leftovers(path)
            if not (path / DESCRIPTION).exists():
                _start(path, request, shards)
            yield cls(path, _read(path, request))

    def pieces(self) -> Iterator[Piece]:
        """Yield all shards in the order of the manifest."""
        with (self.path / MANIFEST).open(encoding="ascii") as lines:
            for number, line in enumerate(lines):
                yield Piece(number, Shard.from_json(line))

    def counts(self, piece: Piece) -> Counts | None:
        """Return the counts of a shard; None if it is not complete, or its files are damaged."""
        import pyarrow.parquet as pq

        try:
            predictions = pq.read_metadata(self._part(PREDICTIONS, piece))
            failures = pq.read_metadata(self._part(FAILURES, piece))
            further = predictions.metadata or {}
            counts = Counts(
                predicted=predictions.num_rows,
                abstained=int(further[b"abstained"]),
                failed=failures.num_rows,
                left_out=int(further[b"left_out"]),
            )
        except (OSError, ValueError, KeyError):
            return None
        return counts if piece.shard.count in (None, counts.images) else None

    def write(self, result: ShardResult) -> None:
        """Write the results of a shard.

        Raises:
            DataError: The number of images is not that of the manifest.
            LesionlabError: A file cannot be written.
        """
        expected, found = result.piece.shard.count, result.counts.images
        if expected not in (None, found):
            raise DataError(
                f"{self.path}: shard {result.piece.number} has {found:,} images, and {expected:,} in the manifest; the "
                "data have changed since the run was started: choose another --out"
            )
        try:  # not complete until both are replaced: the old and new tables of a shard must never be mixed
            self._part(PREDICTIONS, result.piece).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self._part(PREDICTIONS, result.piece), error) from error
        for folder, content in ((FAILURES, result.failures), (PREDICTIONS, result.predictions)):
            with replacing(self._part(folder, result.piece), binary=True) as stream:
                stream.write(content)

    def _part(self, folder: str, piece: Piece) -> Path:
        return self.path / folder / f"part-{piece.number:06d}.parquet"


def _check(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out {path}: a run in shards is a folder, and this is a file; choose another one")
    if path.is_dir() and not (path / DESCRIPTION).exists():
        others = {entry.name for entry in path.iterdir()} - {".lock", MANIFEST}
        if any(not name.endswith(".part") for name in others):
            raise UsageError(f"--out {path}: the folder holds other files; choose a new or empty one, or that of a run")


def _start(path: Path, request: Request, shards: Iterable[Shard]) -> None:
    number, images = 0, 0
    counted = True
    with replacing(path / MANIFEST) as stream:
        for shard in shards:
            stream.write(f"{shard.to_json()}\n")
            number += 1
            counted &= shard.count is not None
            images += shard.count or 0
    description = Description(
        request=request,
        folder=os.getcwd(),
        shards=number,
        images=images if counted else None,
        manifest_sha256=sha256_of_file(path / MANIFEST),
    )
    write_json(path / DESCRIPTION, description.model_dump(mode="json"))


def _read(path: Path, request: Request) -> Description:
    try:
        description = Description.model_validate_json((path / DESCRIPTION).read_text(encoding="utf-8"))
        intact = sha256_of_file(path / MANIFEST) == description.manifest_sha256
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: the run cannot be read ({' '.join(str(error).split())[:200]}); choose another --out"
        ) from error
    if not intact:
        raise DataError(f"{path / MANIFEST} was changed since the run was started; choose another --out")
    before, now = description.request.model_dump(mode="json"), request.model_dump(mode="json")
    before, now = before | before.pop("options"), now | now.pop("options")
    if differences := [
        f"{name}: {before.get(name)} before, {now.get(name)} now"
        for name in now | before
        if before.get(name) != now.get(name)
    ]:
        raise UsageError(
            f"{path} was started with other settings ({'; '.join(differences)}); repeat those or choose another --out"
        )
    return description
