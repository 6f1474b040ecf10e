"""Expansion of files, folders, patterns and archives to the locations of images."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from lesionlab.errors import ImageError, UsageError
from lesionlab.images.files import OTHER, LeftOut, choose_images, images_in_file, is_image_name, walk_images
from lesionlab.images.formats import IMAGE_SUFFIXES
from lesionlab.images.read import ZIP_SEPARATOR
from lesionlab.images.remote import is_remote, list_remote


def expand_inputs(arguments: Iterable[str], left_out: LeftOut | None = None) -> list[str]:
    """Return the images that the arguments name, in their order, each once.

    - A file is used whatever its suffix. A DICOM file stands for its frames, `scan.dcm::2` for one of them.
    - A folder stands for the images in it, in its subfolders and in their zip archives, sorted.
    - A pattern (`*`, `?`, `[...]`, and `**` for any depth) stands for the matching images, sorted; with a suffix of its
      own, for all matching files.
    - A zip archive stands for its images, sorted; `archive.zip::member` for one of them.
    - A URL stands for the file there; in a bucket also for the images below it or, as a pattern, for those that match.

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
            found.setdefault(location if is_remote(location) else os.path.abspath(location), location)
    return list(found.values())


def _expand(argument: str, left_out: LeftOut) -> Iterator[str]:
    if is_remote(argument):
        yield from _expand_url(argument, left_out)
        return
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


def _expand_url(url: str, left_out: LeftOut) -> Iterator[str]:
    try:
        files = list_remote(url)
    except ImageError as error:
        raise UsageError(f"{url}: {error}") from error
    for file in files:
        if file == url or is_image_name(os.path.basename(file)):
            yield file
        else:
            left_out.add(OTHER)


def _no_image(argument: str, left_out: LeftOut) -> str:
    if os.path.exists(argument) or is_remote(argument):
        detail = f"left out: {left_out}" if left_out else f"suffixes: {', '.join(sorted(IMAGE_SUFFIXES))}"
        return f"{argument}: contains no image ({detail})"
    if glob.has_magic(argument):
        return f"{argument}: no image matches this pattern" + (f" (left out: {left_out})" if left_out else "")
    return f"{argument}: there is no such file or folder"
