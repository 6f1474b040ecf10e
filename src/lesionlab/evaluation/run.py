"""Evaluation of a run's bundle on a subset of its own data."""

from collections.abc import Callable
from pathlib import Path

from lesionlab.bundle import Bundle
from lesionlab.errors import UsageError
from lesionlab.evaluation.evaluate import Evaluation, evaluate_subset, write_evaluation
from lesionlab.evaluation.seen import without_seen
from lesionlab.evaluation.stored import keep_test_results
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder

ALL = "all"  # all subsets together


def evaluate_run(
    run: RunFolder,
    *,
    subset: str = "test",
    data_root: Path | None = None,
    out: Path | None = None,
    resamples: int = 1000,
    task: str | None = None,
    corrupted: int = 0,
    keep_seen: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Evaluate a run's bundle on a subset of its images; write metrics, predictions and report.

    The results of the test set are stored in the bundle as well.

    Args:
        run: A finished and exported run.
        subset: `train`, `validation`, `test`, or `all` for the three together.
        data_root: Folder of the images, if it has moved.
        out: Output folder; default: `evaluation/SUBSET/` in the run folder.
        resamples: Bootstrap resamples behind the intervals.
        task: Name of the task to measure; default: the model's own.
        corrupted: Number of images to predict under each corruption as well; 0 for none.
        keep_seen: Whether test images that equal training images are kept and the figures marked.
        progress: Called with the number of images done and the total.

    Raises:
        BundleError: The bundle is missing or damaged.
        UsageError: The run has no image in this subset.
        ImageError: An image cannot be read.
    """
    bundle, manifest = Bundle.load(run.bundle), run.manifest(data_root)
    if run.recipe().data.other_diagnoses == "partial":
        # Otherwise the coarsest of the labels would decide on the task of all images.
        task = task or bundle.info.task
    images = manifest
    if subset != ALL:
        ids = run.split().subsets(run.record().fold)[subset]
        if not ids:
            raise UsageError(f"{run.path} has no {subset} subset; evaluate another subset of it")
        images = manifest.select(ids)
    seen, unseen = None, subset == "test"
    if unseen and not bundle.info.training_data.leaky:
        images, seen = without_seen(bundle, images, identifiers=False, keep=keep_seen, progress=progress)
        unseen = seen is None or not seen.kept
    evaluation = evaluate_subset(
        Predictor.load(bundle),
        images,
        subset=subset,
        unseen=unseen,
        seen=seen,
        manifest_sha256=manifest.sha256,
        history=run.read_history(),
        resamples=resamples,
        task=task or bundle.info.task,
        corrupted=corrupted,
        progress=progress,
    )
    write_evaluation(out or run.evaluation / subset, evaluation)
    if subset == "test":
        keep_test_results(bundle, evaluation)
    return evaluation
