"""The manifest: one record per image, the only form in which data enters the rest of the package."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

from lesionlab.errors import DataError
from lesionlab.files import sha256_of_json, write_text
from lesionlab.taxonomy import CODES, LABELS


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What is known of one image.

    Attributes:
        image_id: Unique name of the image within the manifest.
        path: Where the image is, relative to the manifest's root. A member of a zip archive is written
            `archive.zip::member.jpg`.
        lesion_id: The lesion that the image shows. Images of one lesion never stand on both sides of a
            split. Where a source does not tell, it equals `image_id`.
        diagnosis: One of `lesionlab.taxonomy.CODES`; for a dataset that tells less, one of `COARSE`.
        age: Age of the patient in years, None if unknown.
        sex: `male` or `female`, None if unknown.
        site: Place on the body, None if unknown.
        dx_type: How the diagnosis was confirmed (`histo`, `follow_up`, `consensus`, `confocal`), None if
            unknown. Results are reported by it; it is never a feature.
        source: The dataset that the image came from.
    """

    image_id: str
    path: str
    lesion_id: str
    diagnosis: str
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    dx_type: str | None = None
    source: str = "unknown"

    def __post_init__(self) -> None:
        if self.diagnosis not in LABELS:
            raise DataError(f"image {self.image_id}: diagnosis {self.diagnosis!r} is none of {', '.join(LABELS)}")


_COLUMNS = tuple(field.name for field in fields(ImageRecord))


@dataclass(frozen=True)
class Manifest:
    """All images of a dataset.

    Attributes:
        root: Folder that the records' paths are relative to.
        records: One per image, sorted by `image_id`; no id occurs twice.
        lesions_known: Whether the source told which images show one lesion. Where it did not, a split by
            lesion cannot keep them together, and every report says so.
    """

    root: Path
    records: tuple[ImageRecord, ...]
    lesions_known: bool = True

    def __post_init__(self) -> None:
        if not self.records:
            raise DataError(f"{self.root}: the manifest has no image")
        repeated = [name for name, count in Counter(r.image_id for r in self.records).items() if count > 1]
        if repeated:
            raise DataError(f"{self.root}: image id {repeated[0]} occurs more than once ({len(repeated)} such ids)")
        object.__setattr__(self, "records", tuple(sorted(self.records, key=lambda record: record.image_id)))

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[ImageRecord]:
        return iter(self.records)

    @cached_property
    def sha256(self) -> str:
        """Hash of what the manifest says, wherever the files lie: two copies of a dataset have one hash."""
        rows = [[value for name, value in asdict(r).items() if name != "path"] for r in self.records]
        return sha256_of_json(rows)

    @property
    def lesion_count(self) -> int:
        """Number of different lesions."""
        return len({record.lesion_id for record in self.records})

    def counts(self) -> dict[str, int]:
        """Return the number of images of each diagnosis, in the order of the taxonomy, and of coarser labels."""
        found = Counter(record.diagnosis for record in self.records)
        return {code: found[code] for code in LABELS if code in CODES or found[code]}

    def location(self, record: ImageRecord) -> str:
        """Return the place of a record's image, as `lesionlab.images.read_image_bytes` takes it."""
        return str(self.root / record.path)

    def select(self, image_ids: Iterable[str]) -> "Manifest":
        """Return the part of the manifest with the given ids.

        Raises:
            DataError: An id is not in the manifest.
        """
        wanted = set(image_ids)
        missing = wanted - {record.image_id for record in self.records}
        if missing:
            raise DataError(
                f"{self.root}: no image {min(missing)} ({len(missing)} ids of the split are not in the data)"
            )
        return Manifest(self.root, tuple(r for r in self.records if r.image_id in wanted), self.lesions_known)

    def save(self, path: Path) -> None:
        """Write the manifest as CSV with one column per attribute of `ImageRecord`, empty where unknown."""
        out = io.StringIO()
        writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in self.records)
        write_text(path, out.getvalue())
