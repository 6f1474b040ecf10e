"""The record beside a downloaded dataset, `dataset.json`: source, date, checksums, licence and citation."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from lesionlab.base_models import FrozenModel, Sha256
from lesionlab.errors import DataError, UsageError
from lesionlab.files import write_json

RECORD = "dataset.json"


class FetchedFile(FrozenModel):
    """A downloaded file.

    Attributes:
        url: Its address.
        part: The subset that it belongs to.
        bytes: Its size.
        sha256: SHA-256 of its content.
        verified: What its content was compared with.
        date: Time of the download, UTC.
    """

    url: str
    part: str
    bytes: int
    sha256: Sha256
    verified: str
    date: str


class ArchiveSelection(FrozenModel):
    """The images of a query of the ISIC archive.

    Attributes:
        query: The query.
        collections: Numbers of the collections.
        found: Number of images that the archive has for it.
        images: Number of downloaded images.
        licenses: Number of images by licence; each image's is in the table.
        attributions: The sources to cite.
        date: Time of the download, UTC.
    """

    query: str
    collections: tuple[int, ...]
    found: int = 0
    images: int = 0
    licenses: dict[str, int] = Field(default_factory=dict)
    attributions: tuple[str, ...] = ()
    date: str = ""


class DatasetRecord(FrozenModel):
    """Where a dataset comes from, and what its use requires.

    Attributes:
        name: Name of the dataset.
        title: Its name in print.
        homepage: Its page.
        license: Name of its licence.
        license_url: The text of its licence.
        citation: What its authors ask to cite.
        files: Its files by name.
        selection: The query, for the ISIC archive.
    """

    name: str
    title: str
    homepage: str
    license: str
    license_url: str
    citation: tuple[str, ...]
    files: dict[str, FetchedFile] = Field(default_factory=dict)
    selection: ArchiveSelection | None = None

    def save(self, folder: Path) -> None:
        """Write the record into the folder of the dataset."""
        write_json(folder / RECORD, self.model_dump(mode="json", exclude_none=True))


def read_record(folder: Path, name: str) -> DatasetRecord | None:
    """Return the record in a folder, None if there is none.

    Args:
        folder: The folder.
        name: The dataset that is to be downloaded into it.

    Raises:
        DataError: The record cannot be read.
        UsageError: The folder holds another dataset.
    """
    path = folder / RECORD
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; choose another --out")
    try:
        record = DatasetRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DataError(f"{path}: not a record of a download; move it or choose another --out") from error
    if record.name != name:
        raise UsageError(f"{folder} holds the dataset {record.name}; choose another --out")
    return record


def now() -> str:
    """Return the time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
