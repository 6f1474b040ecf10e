"""Index of a dataset's image files, in folders and in zip archives."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lesionlab.data.scan import DataProblem, ProblemKind
from lesionlab.errors import ImageError
from lesionlab.images import load_image
from lesionlab.images.files import OUTSIDE, UNREADABLE, LeftOut, walk_images
from lesionlab.images.formats import image_id
from lesionlab.images.perceptual_hash import pixel_hash
from lesionlab.images.read import ZIP_SEPARATOR, read_image_bytes


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The images below a folder.

    Attributes:
        root: The folder.
        sizes: Size of each image in bytes by its path, as in `ImageRecord.path`.
        by_id: Paths by image id, the file's name without its suffix.
        by_uid: Paths of DICOM files by SOP instance UID.
        problems: Folders and archives that cannot be read.
        left_out: Counts of the files that are no images of the dataset.
    """

    root: Path
    sizes: dict[str, int] = field(default_factory=dict)
    by_id: dict[str, list[str]] = field(default_factory=dict)
    by_uid: dict[str, list[str]] = field(default_factory=dict)
    problems: list[DataProblem] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)

    @classmethod
    def build(cls, root: Path, within: Iterable[Path] | None = None) -> "ImageIndex":
        """Index the images below `root`; those outside of the folders and archives in `within` are counted only."""
        index = cls(root)
        folders = None if within is None else sorted(map(str, within))
        prefix = os.path.join(root, "")
        for file in walk_images([*(folders or ()), str(root)], index.left_out):
            path = file.location.removeprefix(prefix).replace(os.sep, "/")
            if folders is not None and not _is_below(file.location, folders):
                index.left_out.add(OUTSIDE if file.problem is None else UNREADABLE)
            elif file.problem is None:
                index._add(path, file.size, file.uid)
            else:
                index.problems.append(DataProblem(kind=ProblemKind.UNREADABLE, where=path, detail=file.problem))
        return index

    def locate(self, image_id: str) -> tuple[str | None, DataProblem | None]:
        """Return the path of an image, and its problem if there is one."""
        paths = self.by_id.get(image_id) or self.by_uid.get(image_id, [])
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
        return [path for path in self.by_id.get(image_id(name), []) if f"/{path.lower()}".endswith(ending)]

    def orphans(self, used: Iterable[str]) -> Iterator[DataProblem]:
        """Yield a problem for each image whose id is not in `used`."""
        ids = set(used)
        named = {path for uid in self.by_uid.keys() & ids for path in self.by_uid[uid]}
        for name in sorted(self.by_id.keys() - ids):
            for path in (path for path in self.by_id[name] if path not in named):
                yield DataProblem(kind=ProblemKind.ORPHAN, where=path, detail=f"no row for {name}; it is not used")

    def _same_pixels(self, paths: list[str]) -> bool:
        # Files of different sizes are taken as different. Equal sizes prove nothing: all BMP files of one width and
        # height have the same number of bytes.
        if len({self.sizes[path] for path in paths}) > 1:
            return False
        try:
            locations = [str(self.root / path) for path in paths]
            return (
                len(set(map(read_image_bytes, locations))) == 1
                or len({pixel_hash(load_image(location).image) for location in locations}) == 1
            )
        except ImageError:  # the check of the images names the reason
            return False

    def _add(self, path: str, size: int, uid: str | None) -> None:
        self.sizes[path] = size
        if uid is not None:
            self.by_uid.setdefault(uid, []).append(path)
        self.by_id.setdefault(image_id(path), []).append(path)


def _is_below(location: str, folders: list[str]) -> bool:
    return location in folders or location.startswith(
        tuple(f"{folder}{separator}" for folder in folders for separator in (os.sep, ZIP_SEPARATOR))
    )
