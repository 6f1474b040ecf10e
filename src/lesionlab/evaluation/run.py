"""Evaluating a run: the model that it exported, on one part of its own data."""

from collections.abc import Callable
from pathlib import Path

from lesionlab.bundle import Bundle
from lesionlab.errors import UsageError
from lesionlab.evaluation.evaluate import Evaluation, evaluate_subset, write_evaluation
from lesionlab.evaluation.stored import keep_test_results
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder

WHOLE = "all"  # the name of all parts together


def evaluate_run(
    run: RunFolder,
    *,
    subset: str = "test",
    data_root: Path | None = None,
    out: Path | None = None,
    resamples: int = 1000,
    corrupted: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Judge one part of a run's images with its bundle; write metrics, predictions and report.

    What is measured on the test part goes into the bundle as well, so that it travels with the model.

    Args:
        run: A finished and exported run.
        subset: `train`, `validation`, `test`, or `all` for the three together.
        data_root: Where the images are now, if they have moved.
        out: Folder to write to; None writes `evaluation/<part>/` in the run folder.
        resamples: Bootstrap resamples behind the intervals.
        corrupted: Number of images to judge under each corruption as well; 0 for none.
        progress: Called with the number of images done and the number in all.

    Raises:
        BundleError: The run has no bundle, or a damaged one.
        UsageError: The run has no image in this subset.
        ImageError: An image cannot be read; nothing is left out silently.
    """
    bundle, manifest = Bundle.load(run.bundle), run.manifest(data_root)
    images = manifest
    if subset != WHOLE:
        ids = run.split().parts(run.record().fold)[subset]
        if not ids:
            raise UsageError(f"{run.path} has no {subset} subset; evaluate another subset of it")
        images = manifest.select(ids)
    evaluation = evaluate_subset(
        Predictor.load(bundle),
        images,
        subset=subset,
        unseen=subset == "test",
        manifest_sha256=manifest.sha256,
        history=run.read_history(),
        resamples=resamples,
        corrupted=corrupted,
        progress=progress,
    )
    write_evaluation(out or run.evaluation / subset, evaluation)
    if subset == "test":
        keep_test_results(bundle, evaluation)
    return evaluation
