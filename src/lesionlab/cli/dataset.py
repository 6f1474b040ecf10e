"""The options that name a dataset, the same for every command that reads one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lesionlab.data import ColumnMapping

Metadata = Annotated[
    Path | None, typer.Option(help="Table of the images, where the folder's layout does not tell.", show_default=False)
]
Columns = Annotated[
    str | None,
    typer.Option(help="Names of its columns, as image_id=image,diagnosis=label,lesion_id=lesion.", show_default=False),
]


def column_mapping(columns: str | None) -> "ColumnMapping | None":
    """Return what `--columns` says.

    Raises:
        UsageError: It is not of the form that the option's help shows.
    """
    from lesionlab.data import ColumnMapping

    return None if columns is None else ColumnMapping.parse(columns)
