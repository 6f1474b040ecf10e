"""`lesionlab data import-hmnist`, `export-hmnist` and `mini`: datasets of tiny images."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lesionlab.cli.console import out, progress_bar
from lesionlab.cli.dataset import Columns, Metadata, column_mapping

Dataset = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the dataset.", show_default=False)]
NewFolder = Annotated[
    Path, typer.Option("--out", help="Folder to make; it must not exist yet or be empty.", show_default=False)
]
# The minimum is that of image files, `lesionlab.images.decode.MIN_SIDE`; importing it here would slow every start.
Size = Annotated[int, typer.Option(min=8, max=1024, help="Side of the small images in pixels.")]


def import_hmnist(
    table: Annotated[
        Path, typer.Argument(metavar="FILE", help="Pixel table, such as hmnist_28_28_RGB.csv.", show_default=False)
    ],
    target: NewFolder,
) -> None:
    """Turn a pixel table of HAM10000 into a folder of images that every command takes."""
    from lesionlab.data import import_hmnist

    with progress_bar("Writing images") as progress:
        manifest = import_hmnist(table, target, progress=progress)
    out.print(f"{escape(str(target))}: {len(manifest):,} images", soft_wrap=True)
    out.print("[yellow]The table does not tell which images show one lesion: a leak cannot be ruled out.[/]")


def export_hmnist(
    folder: Dataset,
    target: Annotated[Path, typer.Option("--out", help="File to write the table to (CSV).", show_default=False)],
    size: Size = 28,
    grey: Annotated[bool, typer.Option("--grey", help="One grey value per pixel in place of a colour.")] = False,
    metadata: Metadata = None,
    columns: Columns = None,
) -> None:
    """Write the images of a dataset as a pixel table, one row of values and a label per image."""
    from lesionlab.data import export_hmnist, read_dataset

    manifest = read_dataset(folder, columns=column_mapping(columns), metadata=metadata)
    with progress_bar("Shrinking images") as progress:
        export_hmnist(manifest, target, size=size, grey=grey, progress=progress)
    kind = "grey" if grey else "RGB"
    out.print(f"{escape(str(target))}: {len(manifest):,} images of {size}x{size} pixels, {kind}", soft_wrap=True)


def mini(
    folder: Dataset,
    target: NewFolder,
    images: Annotated[int, typer.Option(min=1, help="Number of images to draw.")] = 1000,
    size: Size = 28,
    seed: Annotated[int, typer.Option(help="Another seed draws other images.")] = 0,
    metadata: Metadata = None,
    columns: Columns = None,
) -> None:
    """Draw a small dataset of tiny images in which each diagnosis keeps its share, and lesions their ids."""
    from lesionlab.data import draw_subset, read_dataset, shrink_images, write_small_images
    from lesionlab.data.small_images import check_empty

    check_empty(target)
    manifest = read_dataset(folder, columns=column_mapping(columns), metadata=metadata)
    subset = draw_subset(manifest, images, seed)
    with progress_bar("Shrinking images") as progress:
        pixels = shrink_images(subset, size, progress=progress)
    with progress_bar("Writing images") as progress:
        written = write_small_images(target, subset, pixels, lesions_known=subset.lesions_known, progress=progress)
    counts = ", ".join(f"{code} {count:,}" for code, count in written.counts().items() if count)
    out.print(f"{escape(str(target))}: {len(written):,} images of {written.lesion_count:,} lesions", soft_wrap=True)
    out.print(counts, soft_wrap=True)
