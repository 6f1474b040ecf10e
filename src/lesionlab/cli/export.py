"""`lesionlab export`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli.console import log_to_console, progress_bar, require_extra


def export(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder or .zip file to write. Default: bundle/ in the run folder.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Where the dataset is now, if it has moved.")] = None,
) -> None:
    """Export a run's best weights as a calibrated bundle."""
    require_extra("lesionlab export", "train", "torch", "timm", "onnxscript")
    log_to_console()
    from lesionlab.export import export_run
    from lesionlab.runs import RunFolder

    with progress_bar("calibrating") as calibrating:
        export_run(RunFolder(run), out=out, data_root=data, progress=calibrating)
