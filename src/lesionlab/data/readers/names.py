"""Names of images in tables and folders."""

import os
from collections import Counter
from collections.abc import Iterable

from lesionlab.images.formats import format_of, image_id


def without_suffix(name: str) -> str:
    """Return a file's name without its folder and suffix; another text unchanged."""
    return image_id(name) if format_of(name) else name


def path_id(path: str) -> str:
    """Return the id of an image whose file name occurs in several folders: its path without the suffix."""
    return os.path.splitext(path)[0] if format_of(path) else path


def repeated_names(paths: Iterable[str]) -> set[str]:
    """Return the names without folder and suffix that stand for several files."""
    return {name for name, count in Counter(map(without_suffix, set(paths))).items() if count > 1}
