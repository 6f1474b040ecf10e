"""Expansion of files, folders, patterns and archives to the locations of images."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from lesionlab.errors import UsageError
from lesionlab.images.files import LeftOut, choose_images, images_in_file, walk_images
from lesionlab.images.formats import IMAGE_SUFFIXES
from lesionlab.images.read import ZIP_SEPARATOR


def expand_inputs(arguments: Iterable[str], left_out: LeftOut | None = None) -> list[str]:
    """Return the images that the arguments name, in their order, each once.

    - A file is used whatever its suffix. A DICOM file stands for its frames, `scan.dcm::2` for one of them.
    - A folder stands for the images in it, in its subfolders and in their zip archives, sorted.
    - A pattern (`*`, `?`, `[...]`, and `**` for any depth) stands for the matching images, sorted; with a suffix of its
      own, for all matching files.
    - A zip archive stands for its images, sorted; `archive.zip::member` for one of them.

    Masks and hidden files are left out unless they are named; see `lesionlab.images.files`. A folder or an archive that
    cannot be read stands for itself, so that reading it reports the reason.

    Args:
        arguments: The arguments.
        left_out: Counts the files that are left out.

    Raises:
        UsageError: An argument names no image.
    """
    found: dict[str, str] = {}
    counts = LeftOut() if left_out is None else left_out
    for argument in arguments:
        own = LeftOut()
        locations = list(_expand(argument, own))
        if not locations:
            raise UsageError(_no_image(argument, own))
        counts.counts += own.counts
        for location in locations:
            found.setdefault(os.path.abspath(location), location)
    return list(found.values())


def _expand(argument: str, left_out: LeftOut) -> Iterator[str]:
    if os.path.exists(argument):
        if os.path.isdir(argument) or (argument.lower().endswith(".zip") and os.path.isfile(argument)):
            yield from (image.location for image in walk_images([argument], left_out))
        else:
            # A file that is named and holds no image is reported by reading it.
            yield from [image.location for image in images_in_file(argument, LeftOut())] or [argument]
        return
    archive, separator, _member = argument.partition(ZIP_SEPARATOR)
    if separator and os.path.isfile(archive):
        yield argument
    elif glob.has_magic(argument):
        suffix = PurePath(argument).suffix
        matches = filter(os.path.isfile, sorted(glob.iglob(argument, recursive=True)))
        yield from choose_images(matches, left_out, any_suffix=bool(suffix) and not glob.has_magic(suffix))


def _no_image(argument: str, left_out: LeftOut) -> str:
    if os.path.exists(argument):
        detail = f"left out: {left_out}" if left_out else f"suffixes: {', '.join(sorted(IMAGE_SUFFIXES))}"
        return f"{argument}: contains no image ({detail})"
    if glob.has_magic(argument):
        return f"{argument}: no image matches this pattern" + (f" (left out: {left_out})" if left_out else "")
    return f"{argument}: there is no such file or folder"
