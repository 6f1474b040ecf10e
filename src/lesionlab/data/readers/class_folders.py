"""The layout with one folder of images per diagnosis and no metadata, with or without folders per subset above."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from lesionlab.data.manifest import ImageRecord
from lesionlab.data.readers.image_index import ImageIndex
from lesionlab.data.readers.names import lesion_of_frames, path_id
from lesionlab.data.readers.values import subset_name
from lesionlab.data.scan import DataProblem, ProblemKind, Scan
from lesionlab.images.formats import image_id as name_of
from lesionlab.images.read import ZIP_SEPARATOR, split_frame
from lesionlab.taxonomy import LABELS, parse_diagnosis

# Numbers around the name of a folder: "1. Melanoma", "Melanocytic Nevi (NV) - 7970".
_NUMBERS = re.compile(r"^[\d._ -]+|[_ -]+\d[\d.]*k?$")
# A name with another word and so many digits identifies an image (ISIC_0024306); others number the files of a folder.
_DIGITS_OF_AN_ID = 5
_WORDS_OF_NUMBERED_FILES = frozenset(("", "image", "img", "photo", "pic", "picture", "frame", "file", "sample", "scan"))


def has_class_folders(paths: Iterable[str]) -> bool:
    """Return whether a path of an image has a folder that is named after a diagnosis."""
    return any(_diagnosis(path) is not None for path in paths)


def scan_class_folders(root: Path, index: ImageIndex, *, keep_unknown: bool = False) -> Scan:
    """Read a folder per diagnosis.

    Lesions are unknown: each image counts as its own, unless an identifying name occurs in several folders; frames of
    a file count as one. The id of an image is its name, or its path where the name occurs more than once.
    """
    records: list[ImageRecord] = []
    problems = list(index.problems)
    repeated = {name for name, paths in index.by_id.items() if len(paths) > 1}
    seen: set[str] = set()
    for path in sorted(index.sizes):
        folders = _folders(path)
        found = _diagnosis(path)
        if not folders:
            detail = "not in the folder of a diagnosis; it is not used"
            problems.append(DataProblem(kind=ProblemKind.ORPHAN, where=path, detail=detail))
            continue
        if found is None:
            folder = next((name for name in reversed(folders) if subset_name(name) is None), folders[-1])
            if not keep_unknown:
                detail = f"folder {folder!r} is none of {', '.join(LABELS)}"
                problems.append(DataProblem(kind=ProblemKind.UNKNOWN_DIAGNOSIS, where=path, detail=detail))
                continue
            problems.append(DataProblem(kind=ProblemKind.KEPT_DIAGNOSIS, where=path, detail=f"{folder!r} as unk"))
            found = "unk", folder
        diagnosis, folder = found
        name = name_of(path)
        image_id = path_id(path) if name in repeated else name
        if image_id in seen:  # 1.jpg and 1.png
            image_id = f"{image_id}_{PurePosixPath(path).suffix[1:]}"
        seen.add(image_id)
        records.append(
            ImageRecord(
                image_id,
                path,
                lesion_id=lesion_of_frames(path) or (name if name in repeated and _identifies(name) else image_id),
                diagnosis=diagnosis,
                label=None if folder.lower() == diagnosis else folder,
                subset=next(filter(None, map(subset_name, folders)), None),
            )
        )
    return Scan(
        root, "folder per diagnosis", tuple(records), tuple(problems), lesions_known=False, left_out=index.left_out
    )


def _identifies(name: str) -> bool:
    """Return whether a file's name identifies the image, wherever it lies."""
    word = "".join(character for character in name.lower() if character.isalpha())
    if word in _WORDS_OF_NUMBERED_FILES or parse_diagnosis(word) is not None:
        return False
    return sum(character.isdigit() for character in name) >= _DIGITS_OF_AN_ID


def _folders(path: str) -> tuple[str, ...]:
    file, _ = split_frame(path)
    return PurePosixPath(file.replace(ZIP_SEPARATOR, "/")).parts[:-1]


def _diagnosis(path: str) -> tuple[str, str] | None:
    """Return the diagnosis of the innermost folder that is named after one, and the folder's name."""
    for folder in reversed(_folders(path)):
        if diagnosis := parse_diagnosis(_NUMBERS.sub("", folder)):
            return diagnosis, folder
    return None
