"""`lesionlab data report`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import note_left_out, progress_bar, require_extra, show, show_json
from lesionlab.cli.hmnist import DatasetFolder
from lesionlab.cli.options import Columns, Force, Json, Metadata, Unknown, column_mapping
from lesionlab.files import check_output, write_text


def report(
    folder: DatasetFolder,
    target: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.", show_default=False)],
    sample: Annotated[int, typer.Option(min=1, help="Number of images to measure.")] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of the random draw.")] = 0,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a page about a dataset: counts, sample images, leak of a split by image, shortcut test and problems.

    All images are checked; colour, sharpness and shortcuts are measured on a random sample.
    """
    require_extra("lesionlab data report", "evaluate", "jinja2")
    from lesionlab.curation.report import describe_dataset, main_findings, overview, render_report
    from lesionlab.data import check_scan, scan_dataset

    check_output(target, [folder, *(metadata or ())], force=force)
    scan = scan_dataset(folder, columns=column_mapping(columns), metadata=metadata, unknown=unknown)
    note_left_out(scan.left_out)
    check_output(target, (scan.root / record.path for record in scan.records), force=force)
    with progress_bar("checking images") as progress:
        checked = check_scan(scan, progress)
    with progress_bar("measuring images") as progress:
        data = describe_dataset(scan, checked, sample=sample, seed=seed, progress=progress)
    with progress_bar("drawing sample images") as progress:
        write_text(target, render_report(scan, data, progress))
    if as_json:
        show_json(data)
        return
    for sentence in (overview(data), *main_findings(data)):
        show(sentence)
    show(f"Report: {target}")
    show(RESEARCH_ONLY)
