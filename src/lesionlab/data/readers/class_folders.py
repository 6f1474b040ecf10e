"""The layout with one folder of images per diagnosis and no metadata."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from lesionlab.data.manifest import ImageRecord
from lesionlab.data.readers.image_index import ImageIndex
from lesionlab.data.scan import DataProblem, ProblemKind, Scan
from lesionlab.taxonomy import CODES, parse_diagnosis


def has_class_folders(entries: Iterable[Path]) -> bool:
    """Return whether an entry is a folder that is named after a diagnosis."""
    return any(entry.is_dir() and parse_diagnosis(entry.name) for entry in entries)


def scan_class_folders(root: Path) -> Scan:
    """Read a folder per diagnosis. Lesions are unknown: each image counts as its own."""
    index = ImageIndex.build(root)
    records: list[ImageRecord] = []
    problems = list(index.problems)
    for image_id, paths in sorted(index.by_id.items()):
        for path in paths:
            if "/" not in path:
                detail = "not in the folder of a diagnosis; it is not used"
                problems.append(DataProblem(kind=ProblemKind.ORPHAN, where=path, detail=detail))
                continue
            folder = PurePosixPath(path).parts[0]
            diagnosis = parse_diagnosis(folder)
            if diagnosis is None:
                detail = f"folder {folder!r} is none of {', '.join(CODES)}"
                problems.append(DataProblem(kind=ProblemKind.UNKNOWN_DIAGNOSIS, where=path, detail=detail))
            elif records and records[-1].image_id == image_id:
                detail = f"both {records[-1].path} and {path}; rename or remove one"
                problems.append(DataProblem(kind=ProblemKind.DUPLICATE_ID, where=image_id, detail=detail))
            else:
                records.append(ImageRecord(image_id, path, lesion_id=image_id, diagnosis=diagnosis))
    return Scan(root, "folder per diagnosis", tuple(records), tuple(problems), lesions_known=False)
