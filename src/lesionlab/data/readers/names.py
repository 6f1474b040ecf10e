"""Names of images in tables and folders."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from lesionlab.images.decode import IMAGE_SUFFIXES
from lesionlab.images.read import ZIP_SEPARATOR


def without_suffix(name: str) -> str:
    """Return a file's name without its folder and suffix; another text unchanged."""
    pure = PurePosixPath(name.rpartition(ZIP_SEPARATOR)[2])
    return pure.stem if pure.suffix.lower() in IMAGE_SUFFIXES else name


def path_id(path: str) -> str:
    """Return the id of an image whose file name occurs in several folders: its path without the suffix."""
    return path.removesuffix(PurePosixPath(path).suffix)


def repeated_names(paths: Iterable[str]) -> set[str]:
    """Return the names without folder and suffix that stand for several files."""
    return {name for name, count in Counter(map(without_suffix, set(paths))).items() if count > 1}
