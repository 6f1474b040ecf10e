"""The manifest: one record per image, the package's only representation of a dataset."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from lesionlab.errors import DataError
from lesionlab.files import sha256_of_json, write_text
from lesionlab.taxonomy import CODES, LABELS

# The four sources of HAM10000, as named in the column `dataset` of its metadata on Harvard Dataverse.
HAM10000 = "ham10000"
HAM10000_SOURCES = frozenset(("rosendahl", "vidir_modern", "vidir_molemax", "vienna_dias"))


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """Metadata of one image.

    Attributes:
        image_id: Unique id of the image within the manifest.
        path: Path of the image relative to the manifest's root; `archive.zip::member.jpg` for a member of an archive.
        lesion_id: Id of the lesion, which a split by lesion does not divide. If unknown, it equals `image_id`.
        diagnosis: One of `lesionlab.taxonomy.LABELS`: a diagnosis, `unk`, or one of `COARSE` for a dataset with coarser
            labels.
        age: Age of the patient in years, None if unknown.
        sex: `male` or `female`, None if unknown.
        site: Anatomical site, None if unknown.
        dx_type: Method of confirmation (`histo`, `follow_up`, `consensus`, `confocal`), None if unknown. Results are
            reported by it; it is never a feature.
        source: The clinic, device or collection of the image, or its dataset. Results are reported by it; it is never
            a feature.
        skin_tone: Class of the skin tone as stated with the data, None if unknown.
        label: The diagnosis as the data state it, where it says more than `diagnosis`: `SCCKA`, `Melanoma in situ`.
        image_type: `dermoscopic` or `clinical`, None if unknown.
        subset: `train`, `validation` or `test` if the data come split, else None.
        patient_id: Id of the patient where it stands for that of the lesion, which is unknown; else None.
        label_origin: How readers made the label (`single reading`, `agreement`, `adjudication`), None if unknown.
        label_readers: Names of these readers, separated by semicolons, None if unknown.
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
    skin_tone: str | None = None
    label: str | None = None
    image_type: str | None = None
    subset: str | None = None
    patient_id: str | None = None
    label_origin: str | None = None
    label_readers: str | None = None

    def __post_init__(self) -> None:
        if self.diagnosis not in LABELS:
            raise DataError(f"image {self.image_id}: diagnosis {self.diagnosis!r} is none of {', '.join(LABELS)}")

    @property
    def dataset(self) -> str:
        """The dataset of the image: `ham10000` for its four sources, else the source."""
        return HAM10000 if self.source in HAM10000_SOURCES else self.source

    @property
    def labelled_id(self) -> str:
        """Id of what has the label: the lesion, or the image where images of a patient are kept together."""
        return self.lesion_id if self.patient_id is None else self.image_id


_COLUMNS = tuple(field.name for field in fields(ImageRecord))


@dataclass(frozen=True)
class Manifest:
    """All images of a dataset.

    Attributes:
        root: Folder that the records' paths are relative to.
        records: One record per image, sorted by `image_id`, which is unique.
        lesions_known: Whether the source has lesion ids. Without them a split by lesion cannot keep images of a lesion
            together, and reports say so.
        parts: Image ids of each dataset in order, if several were joined.
    """

    root: Path
    records: tuple[ImageRecord, ...]
    lesions_known: bool = True
    parts: tuple[frozenset[str], ...] = ()

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
        """Hash of the metadata without paths: copies of a dataset have the same hash.

        The sources of HAM10000 count as one: Kaggle's metadata lack them, and the split is the same. What is used in
        results only does not count.
        """
        rows = [asdict(record) | {"source": record.dataset} for record in self.records]
        left_out = ("path", "skin_tone", "label", "image_type", "subset", "patient_id", "label_origin", "label_readers")
        return sha256_of_json([[value for name, value in row.items() if name not in left_out] for row in rows])

    @property
    def lesion_count(self) -> int:
        """Number of lesions."""
        return len({record.lesion_id for record in self.records})

    def counts(self) -> dict[str, int]:
        """Return the number of images by diagnosis in the order of `LABELS`; those beside `CODES` where they occur."""
        found = Counter(record.diagnosis for record in self.records)
        return {code: found[code] for code in LABELS if code in CODES or found[code]}

    def location(self, record: ImageRecord) -> str:
        """Return the location of a record's image for `lesionlab.images.read_image_bytes`."""
        return str(self.root / record.path)

    def select(self, image_ids: Iterable[str]) -> "Manifest":
        """Return the manifest of the given ids.

        Raises:
            DataError: An id is not in the manifest.
        """
        selected = set(image_ids)
        missing = selected - {record.image_id for record in self.records}
        if missing:
            raise DataError(
                f"{self.root}: no image {min(missing)} ({len(missing)} ids of the split are not in the data)"
            )
        return replace(self, records=tuple(r for r in self.records if r.image_id in selected))

    def save(self, path: Path) -> None:
        """Write the manifest as CSV with one column per attribute of `ImageRecord`; unknown values are empty."""
        out = io.StringIO()
        writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in self.records)
        write_text(path, out.getvalue())
