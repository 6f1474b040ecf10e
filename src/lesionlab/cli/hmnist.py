"""`lesionlab data import-hmnist`, `export-hmnist` and `mini`: datasets of small square images."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli.console import progress_bar, show, warn
from lesionlab.cli.options import (
    Columns,
    Force,
    Metadata,
    NewFolder,
    Unknown,
    existing,
    open_dataset,
)
from lesionlab.files import check_output

DatasetFolder = Annotated[
    Path, typer.Argument(metavar="DIR", callback=existing, help="Folder of the dataset.", show_default=False)
]
# The minimum is `lesionlab.images.bounds.MIN_SIDE`; importing it here would slow every start.
Size = Annotated[int, typer.Option(min=8, max=1024, help="Side of the small images in pixels.")]


def import_hmnist(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            callback=existing,
            help="Pixel table, such as hmnist_28_28_RGB.csv, or an archive of DermaMNIST (dermamnist.npz).",
            show_default=False,
        ),
    ],
    target: NewFolder,
) -> None:
    """Convert a pixel table of HAM10000, or DermaMNIST, to a dataset folder."""
    from lesionlab.data import import_hmnist

    check_output(target)
    with progress_bar("writing images") as progress:
        manifest = import_hmnist(table, target, progress=progress)
    show(f"{target}: {len(manifest):,} images")
    warn("The file does not identify the lesions: leakage between subsets cannot be excluded.")


def export_hmnist(
    folder: DatasetFolder,
    target: Annotated[Path, typer.Option("--out", "-o", help="CSV file to write.", show_default=False)],
    size: Size = 28,
    grey: Annotated[bool, typer.Option("--grey", help="One grey value per pixel instead of RGB.")] = False,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    force: Force = False,
) -> None:
    """Convert a dataset to a pixel table: one row of values and a label per image."""
    from lesionlab.data import export_hmnist

    check_output(target, [folder, *(metadata or ())], force=force)
    manifest = open_dataset(folder, columns, metadata, unknown)
    check_output(target, map(manifest.location, manifest), force=force)
    with progress_bar("resizing images") as progress:
        export_hmnist(manifest, target, size=size, grey=grey, progress=progress)
    kind = "grey" if grey else "RGB"
    show(f"{target}: {len(manifest):,} images of {size}x{size} pixels, {kind}")


def mini(
    folder: DatasetFolder,
    target: NewFolder,
    images: Annotated[int, typer.Option(min=1, help="Number of images to draw.")] = 1000,
    size: Size = 28,
    seed: Annotated[int, typer.Option(help="Seed of the random draw.")] = 0,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
) -> None:
    """Draw a small dataset of small images with the class proportions and lesion identifiers of the original."""
    from lesionlab.data import draw_subset, shrink_images, write_small_images

    check_output(target)
    manifest = open_dataset(folder, columns, metadata, unknown)
    subset = draw_subset(manifest, images, seed)
    with progress_bar("resizing images") as progress:
        pixels = shrink_images(subset, size, progress=progress)
    with progress_bar("writing images") as progress:
        written = write_small_images(target, subset, pixels, lesions_known=subset.lesions_known, progress=progress)
    counts = ", ".join(f"{code} {count:,}" for code, count in written.counts().items() if count)
    show(f"{target}: {len(written):,} images of {written.lesion_count:,} lesions")
    show(counts)
