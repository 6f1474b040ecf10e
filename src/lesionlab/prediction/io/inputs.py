"""Expansion of files, folders, patterns and archives to the locations of images."""

import glob
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePath, PurePosixPath

from lesionlab.errors import LesionlabError, UsageError
from lesionlab.images.decode import IMAGE_SUFFIXES
from lesionlab.images.read import ZIP_SEPARATOR


def expand_inputs(arguments: Iterable[str]) -> list[str]:
    """Return the images that the arguments name, in their order, each once.

    - A file is used whatever its suffix.
    - A folder stands for the images in it and in its subfolders, sorted.
    - A pattern (`*`, `?`, `[...]`, and `**` for any depth) stands for the matching images, sorted; with a suffix of its
      own, for all matching files.
    - A zip archive stands for its images, sorted; `archive.zip::member` for one of them.

    Hidden files are skipped unless they are named.

    Raises:
        UsageError: An argument names no image.
        LesionlabError: A folder or an archive cannot be read.
    """
    found: dict[str, str] = {}
    for argument in arguments:
        locations = list(_expand(argument))
        if not locations:
            raise UsageError(_no_image(argument))
        for location in locations:
            found.setdefault(os.path.abspath(location), location)
    return list(found.values())


def image_id(location: str) -> str:
    """Return the name of an image without its folder, archive and suffix: `ISIC_0024306`."""
    return PurePath(location.rpartition(ZIP_SEPARATOR)[2]).stem


def _expand(argument: str) -> Iterable[str]:
    if os.path.isdir(argument):
        return _images_below(argument)
    if os.path.exists(argument):
        is_archive = argument.lower().endswith(".zip") and os.path.isfile(argument)
        return _images_in_archive(argument) if is_archive else [argument]
    archive, separator, _member = argument.partition(ZIP_SEPARATOR)
    if separator and os.path.isfile(archive):
        return [argument]
    if glob.has_magic(argument):
        return _images_matching(argument)
    return []


def _images_below(folder: str) -> Iterator[str]:
    def raise_error(error: OSError) -> None:
        raise LesionlabError(f"cannot read the folder {error.filename}: {error.strerror}") from error

    for where, folders, names in os.walk(folder, onerror=raise_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(where, name) for name in sorted(names) if _is_image_name(name))


def _images_matching(pattern: str) -> list[str]:
    suffix = PurePath(pattern).suffix
    any_suffix = bool(suffix) and not glob.has_magic(suffix)
    matches = sorted(glob.iglob(pattern, recursive=True))
    return [match for match in matches if (any_suffix or _is_image_name(match)) and os.path.isfile(match)]


def _images_in_archive(archive: str) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise LesionlabError(f"{archive} is not a readable zip archive: {error}") from error
    # macOS adds a folder with the metadata of each file.
    images = (name for name in names if _is_image_name(name) and not name.startswith("__MACOSX/"))
    return [f"{archive}{ZIP_SEPARATOR}{name}" for name in sorted(images)]


def _is_image_name(path: str) -> bool:
    name = PurePosixPath(path.replace(os.sep, "/"))
    return name.suffix.lower() in IMAGE_SUFFIXES and not name.name.startswith(".")


def _no_image(argument: str) -> str:
    if os.path.exists(argument):
        return f"{argument}: contains no image (suffixes: {', '.join(sorted(IMAGE_SUFFIXES))})"
    if glob.has_magic(argument):
        return f"{argument}: no image matches this pattern"
    return f"{argument}: there is no such file or folder"
