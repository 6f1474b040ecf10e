"""Download of images and metadata of the ISIC archive by a query, in the layout of isic-cli."""

import csv
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from pydantic import Field, ValidationError

from lesionlab.base_models import FrozenModel
from lesionlab.data.fetch.download import Downloader, Progress
from lesionlab.data.fetch.fetch import check_space
from lesionlab.data.fetch.record import ArchiveSelection, DatasetRecord, now, read_record
from lesionlab.errors import DownloadError, UsageError
from lesionlab.files import replacing
from lesionlab.images.formats import IMAGE_SUFFIXES

ISIC_ARCHIVE = "isic-archive"
ISIC_API = "https://api.isic-archive.com/api/v2/"

_TABLE, _IMAGES = "metadata.csv", "images"
_FIRST_COLUMNS = ("isic_id", "attribution", "copyright_license")
_MISSING = (403, 404, 410)
_SHOWN = 3


class _File(FrozenModel):
    url: str
    size: int = 0


class _Files(FrozenModel):
    full: _File


class _Image(FrozenModel):
    isic_id: Annotated[str, Field(pattern=r"^ISIC_[0-9]+$")]
    attribution: str | None = None
    copyright_license: str | None = None
    files: _Files
    metadata: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        row = {name: getattr(self, name) for name in _FIRST_COLUMNS}
        return row | {name: value for group in self.metadata.values() for name, value in group.items()}


class _Page(FrozenModel):
    results: tuple[_Image, ...]
    count: int | None = None
    next: str | None = None


@dataclass(frozen=True)
class ArchiveQuery:
    """Images of the ISIC archive.

    Attributes:
        query: A query of the archive, such as `diagnosis_3:"Nevus" AND image_type:dermoscopic`; empty: all images.
        collections: Numbers of collections that an image is in; empty: any.
        limit: Number of images at most.
        api: Address of the archive's API.
    """

    query: str = ""
    collections: Sequence[int] = ()
    limit: int | None = None
    api: str = ISIC_API

    def count(self, downloader: Downloader) -> int:
        """Return the number of images to download."""
        count = self._page(downloader, self._url("images/search/", limit=1)).count or 0
        return count if self.limit is None else min(count, self.limit)

    def size(self, downloader: Downloader) -> int | None:
        """Return the size of all images in bytes; None with a limit, or if the archive does not state it."""
        if self.limit is not None:
            return None
        try:
            return int(downloader.read_json(self._url("images/search/size/"))["size"])
        except (DownloadError, KeyError, TypeError, ValueError):
            return None

    def pages(self, downloader: Downloader) -> Iterator[_Page]:
        """Yield the pages of results, one after the other."""
        following: str | None = self._url("images/search/", limit=100)
        while following:
            page = self._page(downloader, following)
            yield page
            following = page.next

    def _url(self, path: str, limit: int | None = None) -> str:
        options = {"query": self.query, "collections": ",".join(map(str, self.collections)), "limit": limit}
        return f"{self.api}{path}?{urlencode({name: value for name, value in options.items() if value})}"

    def _page(self, downloader: Downloader, url: str) -> _Page:
        try:
            return _Page.model_validate(downloader.read_json(url))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DownloadError(f"{url}: the response is not a page of images ({where}: {first['msg']})") from error


@dataclass
class _Selection:
    """The images so far: their rows as JSON, which takes less memory than dictionaries, and what is counted."""

    rows: list[str] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    licenses: Counter[str] = field(default_factory=Counter)
    attributions: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def add(self, image: _Image, failure: str | None) -> None:
        self.seen.add(image.isic_id)
        if failure is not None:
            self.failed.append(failure)
            return
        row = image.row()
        self.rows.append(json.dumps(row))
        self.columns |= row.keys()
        self.licenses[image.copyright_license or "not stated"] += 1
        self.attributions[image.attribution or "not stated"] += 1

    def write(self, table: Path) -> None:
        header = [*_FIRST_COLUMNS, *sorted(self.columns - set(_FIRST_COLUMNS))]
        with replacing(table) as stream:
            writer = csv.DictWriter(stream, header)
            writer.writeheader()
            writer.writerows(map(json.loads, self.rows))


def fetch_archive(
    query: ArchiveQuery,
    folder: Path,
    *,
    force: bool = False,
    downloader: Downloader | None = None,
    threads: int = 8,
    progress: Progress = lambda _done, _total: None,
) -> DatasetRecord:
    """Download the images of a query that are not there yet, and the metadata of all of them.

    Args:
        query: The query.
        folder: The folder; `metadata.csv` has the columns of isic-cli, with licence and attribution of each image.
        force: Whether a `metadata.csv` of another origin may be replaced.
        downloader: Downloads the files.
        threads: Number of images to download at a time.
        progress: Called with the number of processed images and their total.

    Raises:
        DownloadError: The archive cannot be reached, or does not have some of the images. The table lists the others.
        LesionlabError: A file cannot be written, for example because the disk is full.
        UsageError: The folder holds another dataset or the images of another query.
    """
    stop = threading.Event()
    downloader = replace(downloader or Downloader(), stop=stop)
    record = archive_record(query)
    _check_folder(folder, record, force=force)
    total = query.count(downloader)
    if total == 0:
        raise UsageError("the archive has no image for this query")
    there = sum(path.stat().st_size for path in (folder / _IMAGES).glob("*"))
    check_space(folder, (query.size(downloader) or 0) - there)
    record.save(folder)
    found = _Selection()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for page in query.pages(downloader):
                # An image that is added while the pages are read may move others to the next page.
                images = {image.isic_id: image for image in page.results if image.isic_id not in found.seen}
                chosen = list(images.values())[: total - len(found.seen)]
                failures = pool.map(lambda image: _download(image, folder / _IMAGES, downloader), chosen)
                for image, failure in zip(chosen, failures, strict=True):
                    found.add(image, failure)
                    progress(len(found.seen), total)
                if not images or len(found.seen) >= total:
                    break
        except BaseException:
            stop.set()  # leaving the block waits for the downloads under way
            raise
    found.write(folder / _TABLE)
    selection = ArchiveSelection(
        query=query.query,
        collections=tuple(query.collections),
        found=total,
        images=len(found.rows),
        licenses=dict(found.licenses),
        attributions=tuple(name for name, _ in found.attributions.most_common()),
        date=now(),
    )
    record = record.model_copy(update={"selection": selection})
    record.save(folder)
    if missing := total - len(found.rows):
        unlisted = total - len(found.seen)
        reasons = [*found.failed[:_SHOWN], *([f"{unlisted:,} are counted, but not listed"] if unlisted else [])]
        raise DownloadError(
            f"{missing:,} of {total:,} images could not be downloaded ({'; '.join(reasons)}). {folder / _TABLE} lists "
            "the others; the same command tries again"
        )
    return record


def _download(image: _Image, folder: Path, downloader: Downloader) -> str | None:
    """Download an image that is not there; return why the archive does not have it."""
    suffix = PurePosixPath(urlsplit(image.files.full.url).path).suffix.lower()
    target = folder / f"{image.isic_id}{suffix if suffix in IMAGE_SUFFIXES else '.jpg'}"
    if target.exists():
        return None
    try:
        downloader.download(image.files.full.url, target, check=lambda path: path.stat().st_size)
    except DownloadError as error:
        if error.status in _MISSING:
            return f"{image.isic_id}: HTTP {error.status}"
        raise
    return None


def archive_record(query: ArchiveQuery) -> DatasetRecord:
    """Return the record of a query before its download."""
    return DatasetRecord(
        name=ISIC_ARCHIVE,
        title="ISIC archive",
        homepage="https://www.isic-archive.com",
        license=f"by image, in the column copyright_license of {_TABLE}",
        license_url="https://www.isic-archive.com/terms-of-use",
        citation=(f"the source of each image, in the column attribution of {_TABLE}",),
        selection=ArchiveSelection(query=query.query, collections=tuple(query.collections)),
    )


def _check_folder(folder: Path, new: DatasetRecord, *, force: bool) -> None:
    old = read_record(folder, ISIC_ARCHIVE)
    if old is None:
        if (folder / _TABLE).exists() and not force:
            raise UsageError(f"{folder / _TABLE} exists; choose another --out, or replace it with --force")
    elif _identity(old) != _identity(new):
        raise UsageError(f"{folder} holds the images of another query; choose another --out")


def _identity(record: DatasetRecord) -> tuple[str, tuple[int, ...]] | None:
    return None if record.selection is None else (record.selection.query, record.selection.collections)
