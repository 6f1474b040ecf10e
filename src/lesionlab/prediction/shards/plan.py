"""The shards of a run: which images, archives and tables the arguments name."""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from lesionlab.errors import ImageError, UsageError
from lesionlab.images.files import LeftOut
from lesionlab.images.remote import is_remote, list_remote
from lesionlab.prediction.io.inputs import expand_inputs
from lesionlab.prediction.io.writers import require_pyarrow
from lesionlab.prediction.shards.containers import PARQUET_SUFFIX, TAR_SUFFIXES, rows_of_groups
from lesionlab.prediction.shards.shard import Shard

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")  # as WebDataset names the archives of a dataset


def plan_shards(arguments: Iterable[str], size: int, left_out: LeftOut) -> Iterator[Shard]:
    """Yield the shards of the images that the arguments name.

    Arguments are those of `expand_inputs`, tar archives and Parquet files, and patterns of both. A tar archive is one
    shard, so that it is read once; the row groups of a Parquet file are joined up to the size of a shard.

    Args:
        arguments: The arguments.
        size: Number of images in a shard.
        left_out: Counts the files that are left out.

    Raises:
        UsageError: An argument names no image.
        DataError: A Parquet file cannot be read, or has no column of images.
    """
    given = list(arguments)
    images = [argument for argument in given if not _is_container(argument)]
    if images:
        rest = iter(expand_inputs(images, left_out))
        while chunk := tuple(islice(rest, size)):
            yield Shard(images=chunk, count=len(chunk))
    containers = (path for argument in given if _is_container(argument) for path in _expand(argument))
    once = {path if is_remote(path) else os.path.abspath(path): path for path in containers}
    for container in once.values():
        if container.lower().endswith(PARQUET_SUFFIX):
            yield from _of_parquet(container, size)
        else:
            yield Shard(tar=container, count=None)


def names_containers(arguments: Iterable[str]) -> bool:
    """Return whether any of the arguments names tar archives or Parquet files."""
    return any(map(_is_container, arguments))


def _is_container(argument: str) -> bool:
    return argument.lower().endswith((*TAR_SUFFIXES, PARQUET_SUFFIX)) and not os.path.isdir(argument)


def _expand(argument: str) -> list[str]:
    if found := _RANGE.search(argument):
        first, last = found.groups()
        numbers = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
        return [path for number in numbers for path in _expand(argument.replace(found[0], number, 1))]
    if is_remote(argument):
        try:
            paths = list_remote(argument)
        except ImageError as error:
            raise UsageError(f"{argument}: {error}") from error
    elif glob.has_magic(argument) and not os.path.exists(argument):
        paths = sorted(glob.iglob(argument, recursive=True))
    else:
        paths = [argument]
    if not paths:
        raise UsageError(f"{argument}: no file matches this pattern")
    for path in paths:
        if not is_remote(path) and not os.path.isfile(path):
            raise UsageError(f"{path}: there is no such file")
    return paths


def _of_parquet(path: str, size: int) -> Iterator[Shard]:
    require_pyarrow(path)
    rows, first, begin, group = rows_of_groups(path), 0, 0, 0
    while first < len(rows):
        group, end = first + 1, begin + rows[first]
        while group < len(rows) and end + rows[group] - begin <= size:
            end += rows[group]
            group += 1
        if end > begin:
            yield Shard(parquet=path, row_groups=(first, group), rows=(begin, end), count=end - begin)
        first, begin = group, end
