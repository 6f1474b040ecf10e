"""Index of a dataset's image files, in folders and in zip archives."""

import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lesionlab.data.scan import DataProblem, ProblemKind
from lesionlab.errors import ImageError
from lesionlab.images.decode import IMAGE_SUFFIXES, decode_image
from lesionlab.images.perceptual_hash import pixel_hash
from lesionlab.images.read import ZIP_SEPARATOR, read_image_bytes


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The images below a folder.

    Attributes:
        root: The folder.
        sizes: Size of each image in bytes by its path, as in `ImageRecord.path`.
        by_id: Paths by image id, the file's name without its suffix.
        problems: Archives that could not be opened.
    """

    root: Path
    sizes: dict[str, int] = field(default_factory=dict)
    by_id: dict[str, list[str]] = field(default_factory=dict)
    problems: list[DataProblem] = field(default_factory=list)

    @classmethod
    def build(cls, root: Path, paths: Iterable[Path] | None = None) -> "ImageIndex":
        """Index the images in `paths`, folders (recursively) and zip archives; default: in `root`.

        Segmentation masks, which HAM10000 has next to its images, are skipped.
        """
        index = cls(root)
        for path in sorted(paths) if paths is not None else (root,):
            for file in sorted(_files(path)) if path.is_dir() else (path,):
                if file.suffix.lower() == ".zip":
                    index._add_archive(file)
                else:
                    index._add(file.relative_to(root).as_posix(), file.stat().st_size)
        return index

    def locate(self, image_id: str) -> tuple[str | None, DataProblem | None]:
        """Return the path of an image, and its problem if there is one."""
        paths = self.by_id.get(image_id, [])
        if not paths:
            return None, DataProblem(kind=ProblemKind.MISSING_IMAGE, where=image_id, detail="no such image file")
        if len(paths) == 1:
            return paths[0], None
        # Copies of HAM10000 often have every image twice, in folders with upper and lower case names.
        listed = ", ".join(paths)
        if not self._same_pixels(paths):
            return None, DataProblem(kind=ProblemKind.AMBIGUOUS_IMAGE, where=image_id, detail=f"files differ: {listed}")
        detail = f"the first is used of {listed}"
        return paths[0], DataProblem(kind=ProblemKind.REPEATED_FILE, where=image_id, detail=detail)

    def has(self, path: str) -> bool:
        """Return whether a path relative to the root is a file or a member of an archive."""
        return path in self.sizes or (ZIP_SEPARATOR not in path and (self.root / path).is_file())

    def ending_with(self, name: str) -> list[str]:
        """Return the paths that end with a relative path, in any case."""
        ending = f"/{name.lower()}"
        return [path for path in self.by_id.get(PurePosixPath(name).stem, []) if f"/{path.lower()}".endswith(ending)]

    def orphans(self, used: Iterable[str]) -> Iterator[DataProblem]:
        """Yield a problem for each image whose id is not in `used`."""
        for image_id in sorted(self.by_id.keys() - set(used)):
            for path in self.by_id[image_id]:
                yield DataProblem(kind=ProblemKind.ORPHAN, where=path, detail=f"no row for {image_id}; it is not used")

    def _same_pixels(self, paths: list[str]) -> bool:
        # Files of different sizes are taken as different. Equal sizes prove nothing: all BMP files of one width and
        # height have the same number of bytes.
        if len({self.sizes[path] for path in paths}) > 1:
            return False
        try:
            files = [read_image_bytes(str(self.root / path)) for path in paths]
            return len(set(files)) == 1 or len({pixel_hash(decode_image(data).image) for data in files}) == 1
        except ImageError:  # the check of the images names the reason
            return False

    def _add(self, path: str, size: int) -> None:
        self.sizes[path] = size
        self.by_id.setdefault(PurePosixPath(path.rpartition(ZIP_SEPARATOR)[2]).stem, []).append(path)

    def _add_archive(self, archive: Path) -> None:
        name = archive.relative_to(self.root).as_posix()
        try:
            with zipfile.ZipFile(archive) as opened:
                members = opened.infolist()
        except (OSError, zipfile.BadZipFile) as error:
            detail = f"the archive is damaged ({error}); download it again"
            self.problems.append(DataProblem(kind=ProblemKind.UNREADABLE, where=name, detail=detail))
            return
        for member in members:
            if is_image_name(member.filename) and not member.is_dir():
                self._add(f"{name}{ZIP_SEPARATOR}{member.filename}", member.file_size)


def is_image_name(path: str | Path) -> bool:
    """Return whether a path has the suffix of an image and is neither hidden nor a mask."""
    pure = PurePosixPath(path)
    return pure.suffix.lower() in IMAGE_SUFFIXES and not any(_is_skipped(part) for part in pure.parts)


def _is_skipped(name: str) -> bool:
    masks = ("segmentation", "superpixels")
    hidden = (name.startswith(".") and name not in (".", "..")) or name == "__MACOSX"
    return hidden or any(word in name.lower() for word in masks)


def _files(folder: Path) -> Iterator[Path]:
    seen = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:  # a cyclic link
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not _is_skipped(name)]
        for name in files:
            file = Path(where, name)
            indexed = is_image_name(name) or (name.lower().endswith(".zip") and not _is_skipped(name))
            if indexed and file.is_file():  # not a broken link
                yield file
