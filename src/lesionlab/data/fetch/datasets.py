"""The public datasets that can be downloaded, as data: their files, official places, licences and citations."""

import difflib
import functools
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import Field

from lesionlab.base_models import Sha256, StrictModel
from lesionlab.errors import DataError, UsageError

Part = Literal["train", "validation", "test"]


class RemoteFile(StrictModel):
    """A file of a dataset at its official place.

    Attributes:
        name: Name in the dataset's folder.
        path: The URL below the dataset's `base`; default: the name.
        bytes: Size, for planning.
        part: The subset that it belongs to.
        md5: MD5 of its content, where one is known.
        sha256: SHA-256 of its content, where one is known.
        unpack: Pattern of the names of members of an archive that are unpacked; images are read from the archive.
        into: Folder for these members; default: the dataset's folder.
    """

    name: str
    path: str | None = None
    bytes: int
    part: Part = "train"
    md5: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    sha256: Sha256 | None = None
    unpack: str | None = None
    into: str | None = None

    @property
    def finds_cuts(self) -> bool:
        """Whether the file itself shows that its end is missing: by a checksum, or as an archive."""
        return bool(self.md5 or self.sha256) or self.name.endswith(".zip")


class Dataset(StrictModel):
    """A public dataset.

    Attributes:
        name: Its name in `lesionlab data fetch`.
        title: Its name in print.
        homepage: Its page.
        license: Name of its licence.
        license_url: The text of its licence.
        citation: What its authors ask to cite.
        base: The URL that its files are below.
        files: Its files; empty for a dataset that has to be requested.
        manual: What to do with a dataset that has to be requested; `{folder}` stands for the folder.
    """

    name: str
    title: str
    homepage: str
    license: str
    license_url: str
    citation: tuple[str, ...]
    base: str = ""
    files: tuple[RemoteFile, ...] = ()
    manual: str | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The subsets with labels."""
        return tuple(dict.fromkeys(file.part for file in self.files))

    def url(self, file: RemoteFile) -> str:
        """Return the address of a file."""
        return self.base + (file.path or file.name)

    def select(self, parts: Collection[str], folder: Path) -> tuple[RemoteFile, ...]:
        """Return the files of some subsets.

        Args:
            parts: The subsets.
            folder: The dataset's folder, for the message.

        Raises:
            DataError: The dataset cannot be downloaded; the message says how to get it.
            UsageError: It has no labelled images of a subset.
        """
        if self.manual is not None:
            steps = self.manual.format(folder=folder)
            raise DataError(f"{self.title} is behind a form: request it at {self.homepage}; then {steps}")
        for part in parts:
            if part not in self.parts:
                raise UsageError(f"{self.name} has no labelled {part} images; it has: {', '.join(self.parts)}")
        return tuple(file for file in self.files if file.part in parts)


@functools.cache
def datasets() -> dict[str, Dataset]:
    """Return all datasets by name."""
    tables = tomllib.loads(Path(__file__).with_name("datasets.toml").read_text(encoding="utf-8"))
    return {name: Dataset(name=name, **table) for name, table in tables.items()}


def find_dataset(name: str) -> Dataset:
    """Return a dataset by name.

    Raises:
        UsageError: There is no dataset of this name.
    """
    known = datasets()
    if name.lower() in known:
        return known[name.lower()]
    close = difflib.get_close_matches(name.lower(), [*known, "isic-archive"], n=1)
    hint = f"; did you mean {close[0]}?" if close else "."
    raise UsageError(f"no dataset {name!r}{hint} Known: {', '.join(known)}, isic-archive")
