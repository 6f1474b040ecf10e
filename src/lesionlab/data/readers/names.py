"""Names of images in tables and folders."""

import os
from collections import Counter
from collections.abc import Iterable

from lesionlab.images.formats import format_of, image_id
from lesionlab.images.read import split_frame


def without_suffix(name: str) -> str:
    """Return a file's name without its folder and suffix; another text unchanged."""
    return image_id(name) if format_of(name) else name


def path_id(path: str) -> str:
    """Return the id of an image whose file name occurs in several folders: its path without the suffix."""
    file, frame = split_frame(path)
    stem = os.path.splitext(file)[0] if format_of(file) else file
    return stem if frame is None else f"{stem}-{frame}"


def lesion_of_frames(path: str) -> str | None:
    """Return the lesion that all frames of a file show, for datasets without lesion ids; None for another file."""
    file, frame = split_frame(path)
    return None if frame is None else path_id(file)


def repeated_names(paths: Iterable[str]) -> set[str]:
    """Return the names without folder and suffix that stand for several files."""
    return {name for name, count in Counter(map(without_suffix, set(paths))).items() if count > 1}
