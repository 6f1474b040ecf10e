"""`lesionlab export`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli.console import log_to_console, progress_bar, require_extra


def export(
    runs: Annotated[list[Path], typer.Argument(help="A finished run folder; several of one split make an ensemble.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder or .zip file to write. Default: bundle/ in the run folder; needed for several."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of inference: --set inference.tta=flips. Repeatable."),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Where the dataset is now, if it has moved.")] = None,
) -> None:
    """Export a run's best weights as a calibrated bundle that can explain and refuse.

    Several runs become an ensemble: one graph that averages them. What `lesionlab evaluate` measured of the same
    weights on the test part is kept.
    """
    require_extra("lesionlab export", "train", "torch", "timm", "onnxscript", "matplotlib")
    log_to_console()
    from lesionlab.evaluation.load import read_evaluation
    from lesionlab.evaluation.stored import keep_test_results
    from lesionlab.export import export_run
    from lesionlab.runs import RunFolder

    folder, *others = map(RunFolder, runs)
    with progress_bar("judging training and validation images") as progress:
        bundle = export_run(folder, others=others, changes=changes or (), out=out, data_root=data, progress=progress)
    test, manifest = folder.evaluation / "test", folder.manifest(data)
    if evaluation := read_evaluation(test, bundle.info, manifest, folder.read_history()):
        keep_test_results(bundle, evaluation)
