"""`lesionlab export`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli.console import log_to_console, progress_bar, require_extra, show_json
from lesionlab.cli.info import describe_bundle
from lesionlab.cli.options import Force, Json, MovedDataset, existing
from lesionlab.files import check_output


def export(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", callback=existing, help="Finished run; several runs of one split form an ensemble."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder or .zip file. Default: bundle/ in the run folder; required for an ensemble.",
            show_default=False,
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change an inference setting: --set inference.tta=flips. Repeatable.", show_default=False
        ),
    ] = None,
    data: MovedDataset = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Export the best weights of a run as a calibrated bundle with explanations and abstention.

    Several runs become an ensemble: one graph that averages their logits. Test results that `lesionlab evaluate`
    measured for the same weights are kept.
    """
    require_extra("lesionlab export", "train", "torch", "timm", "onnxscript", "matplotlib")
    from lesionlab.evaluation.load import read_evaluation
    from lesionlab.evaluation.stored import keep_test_results
    from lesionlab.export import export_run
    from lesionlab.runs import RunFolder

    folder, *others = map(RunFolder, runs)
    check_output(out or folder.bundle, [] if out is None else [*runs, data], force=force)
    log_to_console()
    with progress_bar("predicting training and validation images") as progress:
        bundle = export_run(folder, others=others, changes=changes or (), out=out, data_root=data, progress=progress)
    test, manifest = folder.evaluation / "test", folder.manifest(data)
    if evaluation := read_evaluation(test, bundle.info, manifest, folder.read_history()):
        keep_test_results(bundle, evaluation)
    if as_json:
        show_json(describe_bundle(bundle))
