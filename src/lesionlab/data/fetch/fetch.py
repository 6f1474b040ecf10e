"""Download of a public dataset into a folder that the readers of datasets understand."""

import functools
import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from lesionlab.data.fetch.datasets import Dataset, RemoteFile
from lesionlab.data.fetch.download import Downloader, Progress, partial_file
from lesionlab.data.fetch.record import DatasetRecord, FetchedFile, now, read_record
from lesionlab.errors import DataError, DownloadError, LesionlabError, UsageError
from lesionlab.files import replacing, replacing_folder


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of a dataset and what is there of it.

    Attributes:
        file: The file.
        url: Its address.
        target: Its place.
        complete: The file, if it is there.
        received: Number of bytes that an interrupted download has left.
    """

    file: RemoteFile
    url: str
    target: Path
    complete: FetchedFile | None
    received: int

    @property
    def missing(self) -> int:
        """The number of bytes to download; approximate where the size is rounded."""
        return 0 if self.complete else max(self.file.bytes - self.received, 0)


def plan_download(
    dataset: Dataset, folder: Path, parts: Collection[str] = ("train",), *, force: bool = False
) -> list[PlannedFile]:
    """Return the files of a dataset and what is there of them. Nothing is written.

    Args:
        dataset: The dataset.
        folder: Its folder; it may hold a part of the dataset.
        parts: The subsets.
        force: Whether files that are not the dataset's may be replaced.

    Raises:
        DataError: The dataset cannot be downloaded; the message says how to get it.
        UsageError: The folder holds another dataset, or another file of the same name.
    """
    files = dataset.select(parts, folder)
    record = read_record(folder, dataset.name)
    plan = []
    for file in files:
        target, url = folder / file.name, dataset.url(file)
        complete = record.files.get(file.name) if record else None
        if not target.exists():
            complete = None
        elif complete is None or complete.bytes != target.stat().st_size:
            complete = _adopted(target, file, url, force=force)
        part = partial_file(target)
        plan.append(PlannedFile(file, url, target, complete, part.stat().st_size if part.exists() else 0))
    return plan


def fetch_dataset(
    dataset: Dataset,
    folder: Path,
    parts: Collection[str] = ("train",),
    *,
    force: bool = False,
    downloader: Downloader | None = None,
    progress: Progress = lambda _done, _total: None,
) -> DatasetRecord:
    """Download a dataset, or what is missing of it.

    Each file is verified by its checksum, where one is known, else by its size and the checksums within the archive.
    `dataset.json` beside the files holds source, date, checksums, licence and citation.

    Args:
        dataset: The dataset.
        folder: Its folder.
        parts: The subsets.
        force: Whether files that are not the dataset's may be replaced.
        downloader: Downloads the files.
        progress: Called with the number of received bytes and their approximate total.

    Raises:
        DataError: The dataset cannot be downloaded; the message says how to get it.
        DownloadError: A file cannot be downloaded, or is another file than expected.
        LesionlabError: A file cannot be written, for example because the disk is full.
        UsageError: The folder holds another dataset, or another file of the same name.
    """
    downloader = downloader or Downloader()
    plan = plan_download(dataset, folder, parts, force=force)
    check_space(folder, sum(planned.missing for planned in plan))
    record = read_record(folder, dataset.name) or DatasetRecord(**dataset.model_dump(exclude={"files"}))
    record.save(folder)
    done, total = 0, sum(planned.received + planned.missing for planned in plan)
    for planned in plan:
        fetched = planned.complete
        if fetched is None:
            downloader.notify(f"{planned.file.name}: {size_text(planned.missing)} to download")
            count = functools.partial(_count, progress, done, total)
            check = functools.partial(verify, file=planned.file, url=planned.url)
            fetched = downloader.download(
                planned.url, planned.target, check=check, finds_cuts=planned.file.finds_cuts, progress=count
            )
            done += fetched.bytes
        record = record.model_copy(update={"files": record.files | {planned.file.name: fetched}})
        record.save(folder)
        if planned.file.unpack:
            _unpack(planned.target, planned.file, folder, force=force)
    return record


def verify(path: Path, file: RemoteFile, url: str) -> FetchedFile:
    """Compare a downloaded file with its checksum or, where none is known, with the checksums within the archive.

    Args:
        path: The file, under any name.
        file: The file as it should be.
        url: Its address.

    Raises:
        DownloadError: It is another file, or it is damaged.
    """
    sha256, md5 = _digests(path)
    verified = "size"
    for kind, expected, found in (("SHA-256", file.sha256, sha256), ("MD5", file.md5, md5)):
        if expected is not None and expected != found:
            raise DownloadError(
                f"{file.name}: its {kind} is {found} instead of {expected}: it was damaged on the way or has changed "
                f"at {url}. It was removed"
            )
        verified = kind if expected is not None else verified
    if verified == "size" and file.name.endswith(".zip"):
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise DownloadError(f"{file.name}: not a complete zip archive ({error}). It was removed") from error
        if damaged is not None:
            raise DownloadError(f"{file.name}: {damaged} in it is damaged. It was removed")
        verified = "size and CRC-32 of the zip members"
    return FetchedFile(url=url, part=file.part, bytes=path.stat().st_size, sha256=sha256, verified=verified, date=now())


def check_space(folder: Path, needed: int) -> None:
    """Check that a number of bytes can be written.

    Raises:
        LesionlabError: The disk has less free space.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise LesionlabError(
            f"{folder}: {size_text(needed)} are needed, {size_text(free)} are free; free some space or choose another "
            "--out"
        )


def size_text(size: float) -> str:
    """Return a number of bytes in words.

    Example:
        >>> size_text(2_771_732_744)
        '2.8 GB'
    """
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def _count(progress: Progress, before: int, total: int, received: int, _size: int) -> None:
    progress(before + received, max(total, before + received))


def _adopted(target: Path, file: RemoteFile, url: str, *, force: bool) -> FetchedFile | None:
    """Return the entry for a file that was there before, if its checksum is the known one."""
    if target.is_file() and (file.md5 or file.sha256):
        try:
            return verify(target, file, url)
        except DownloadError:
            pass
    if force and target.is_file():
        return None
    raise UsageError(
        f"{target} exists, and its content is not known to be that of the dataset; move it, or replace it with --force"
    )


def _digests(path: Path) -> tuple[str, str]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            sha256.update(block)
            md5.update(block)
    return sha256.hexdigest(), md5.hexdigest()


def _unpack(path: Path, file: RemoteFile, folder: Path, *, force: bool) -> None:
    """Unpack the members of an archive that are read as files: tables and masks."""
    with zipfile.ZipFile(path) as archive:
        members = {
            PurePosixPath(name).name: name for name in archive.namelist() if _is_unpacked(name, file.unpack or "")
        }
        if not members:
            raise DataError(f"{path}: no member matches {file.unpack}; the archive has changed at its source")
        if file.into is None:
            for name, member in members.items():
                _write_member(folder / name, archive.read(member), path, force=force)
            return
        target = folder / file.into
        if not force and target.exists():
            if all((target / name).is_file() for name in members):
                return
            raise UsageError(f"{target} exists without all files of {path.name}; move it, or replace it with --force")
        with replacing_folder(target) as temporary:
            for name, member in members.items():
                (temporary / name).write_bytes(archive.read(member))


def _is_unpacked(member: str, pattern: str) -> bool:
    name = PurePosixPath(member).name
    return fnmatchcase(name, pattern) and not name.startswith(".") and not member.endswith("/")


def _write_member(target: Path, data: bytes, archive: Path, *, force: bool) -> None:
    if target.exists():
        if target.is_file() and target.read_bytes() == data:
            return
        if not force:
            raise UsageError(f"{target} exists and differs from that in {archive.name}; move it, or replace it with "
                             "--force")  # fmt: skip
    with replacing(target, binary=True) as stream:
        stream.write(data)
