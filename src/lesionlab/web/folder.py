"""A folder that is there as a whole or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lesionlab.errors import LesionlabError
from lesionlab.files import replacing_folder


@contextmanager
def replaced_web(path: Path, is_one_of_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its name once the block has filled it.

    Args:
        path: The folder to make or to replace; an empty one may always be replaced.
        is_one_of_ours: Whether what stands there may be replaced.

    Raises:
        LesionlabError: Something else stands there, or the place cannot be written.
    """
    there = path.exists()
    if there and not (path.is_dir() and (is_one_of_ours(path) or not any(path.iterdir()))):
        raise LesionlabError(f"{path} exists and is not a site of lesionlab; choose another place")
    with replacing_folder(path.resolve()) as temporary:
        yield temporary
