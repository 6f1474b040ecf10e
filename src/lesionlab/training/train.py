"""Training a recipe: from a dataset to a run folder with the best weights."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
from rich.console import Console
from torch import Tensor

from lesionlab.data import Manifest, Split, without_copies
from lesionlab.errors import DivergenceError, UsageError
from lesionlab.recipes import Recipe, check_classes, prepare_split
from lesionlab.runs import RunFolder, RunRecord
from lesionlab.segmentation import SegmentationModel
from lesionlab.taxonomy import TASKS
from lesionlab.training.batches import CachedImages
from lesionlab.training.cache import open_network_inputs, segmentation_folder
from lesionlab.training.checkpoint import load_weights, save_tensors
from lesionlab.training.device import choose_compute
from lesionlab.training.distillation import Teacher, TeacherRuns
from lesionlab.training.labels import LabelSets
from lesionlab.training.memory import memory_checked
from lesionlab.training.network import LesionNetwork, parameter_count
from lesionlab.training.processes import ALONE, Processes
from lesionlab.training.stages import run_stages, unfold_statistics
from lesionlab.training.start import load_start, starts_from_bundle
from lesionlab.training.weights import load_pretrained

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def train_recipe(
    recipe: Recipe,
    manifest: Manifest,
    folder: Path,
    *,
    split: Split | None = None,
    fold: int | None = None,
    device: str | None = None,
    console: Console | None = None,
    decoding_progress: Progress | None = None,
    callbacks: Sequence[pl.Callback] = (),
    decode_test: bool = True,
    processes: Processes = ALONE,
) -> RunFolder:
    """Train a recipe, or resume an interrupted run.

    Called again with the same arguments after an interruption, training continues after the last complete epoch and
    ends with the same weights as an uninterrupted run.

    Several processes call this with the same arguments and the same folder, which all of them read.

    Args:
        recipe: The recipe.
        manifest: The dataset.
        folder: The run folder, new or of an interrupted run.
        split: The split of the dataset; None makes the recipe's split.
        fold: The fold for validation, if the split has folds.
        device: `cpu`, `cuda` or `mps`; None: the fastest one.
        console: Console for progress bars, or None.
        decoding_progress: Called while images are decoded for the first time.
        callbacks: Further callbacks of Lightning; at the end of an epoch they are called before the run is written.
        decode_test: Whether the images of the test subset are decoded as well, so that runs with other splits of the
            dataset use the same image cache. Training uses none of them.
        processes: The processes that train together; see `started_processes`.

    Returns:
        The finished run.

    Raises:
        DivergenceError: The loss is not a finite number. The files of the epochs before are kept.
        MemoryExhaustedError: The memory does not suffice for `training.batch_size`.
        UsageError: The folder holds another run or a finished one, or the processes cannot share a batch.
        OtherProcessError: Another process failed.
        DataError: Images are unreadable, a class is missing in a subset, or a teacher or the starting run was trained
            with another split or fold; or another process is working on the run.
    """
    run = RunFolder(folder)
    processes.check(recipe)
    if split is None:
        manifest, split = prepare_split(recipe, manifest)
    split.check_against(manifest)
    check_classes(recipe, manifest, split, fold)
    segmentation = SegmentationModel.load(segmentation_folder(recipe.crop)) if recipe.crop.segmentation else None
    compute = choose_compute(recipe, len(split.subsets(fold)["train"]), device, processes.size)
    teachers = TeacherRuns(recipe, split, fold)
    record = RunRecord(
        recipe_name=recipe.name,
        data_root=str(manifest.root.resolve()),
        lesions_known=manifest.lesions_known,
        manifest_sha256=manifest.sha256,
        split_sha256=split.sha256,
        fold=fold,
        leaky=split.leaky,
        environment=compute.describe()
        | ({"teacher": teachers.identity} if teachers.identity else {})
        | ({"segmentation": segmentation.info.identity} if segmentation else {}),
    )
    resuming = processes.by_first(lambda: _check_folder(run, record, recipe))
    network = make_network(recipe)  # errors of the recipe are raised before anything is written
    found = run.record() if resuming else record
    update: dict[str, object] = {"stage": found.stage, "epochs_before_stage": found.epochs_before_stage}
    if resuming and run.last.exists() and not recipe.model.freeze:
        update["weights"] = found.weights  # they are replaced by those of the checkpoint
    else:
        update["weights"] = processes.in_turn(
            lambda: load_weights_to_start(network, recipe, manifest, split, fold, decoding_progress)
        )
    record = record.model_copy(update=update)
    with ExitStack() as stack:
        processes.by_first(lambda: _enter(run, stack))
        if not resuming:
            processes.by_first(lambda: run.begin(record, recipe, manifest, split))
        _log_start(run, record, recipe, split, fold, network, resuming=resuming)
        distinct = without_copies(manifest if decode_test else fitted_images(manifest, split, fold))
        images, key = processes.in_turn(lambda: open_network_inputs(distinct, recipe, decoding_progress))
        rows = {r.path: row for row, r in enumerate(distinct)}
        label_sets = LabelSets.of(TASKS[recipe.task], sorted({record.diagnosis for record in manifest}))
        subsets = cached_subsets(images, rows, label_sets, manifest, split, fold)
        if recipe.model.start and record.stage == 1:  # in a second stage the file holds that stage's start
            _complete_start(run, recipe, network, subsets["train"], processes)
        start = load_weights(run.start) if recipe.distillation.start else None
        teacher = make_teacher(recipe, teachers, start, compiled=compute.compiled)
        try:
            with memory_checked(run.path, recipe.training.batch_size):
                record = run_stages(
                    run,
                    recipe,
                    network,
                    subsets,
                    label_sets,
                    key,
                    record,
                    compute,
                    console,
                    teacher,
                    callbacks,
                    processes,
                )
        except DivergenceError as error:
            kept = f"; {run.best} has the best weights of the epochs before" if run.read_history() else ""
            raise DivergenceError(f"{run.path}: {error}, into another folder{kept}") from error
        processes.by_first(lambda: run.save_record(record.model_copy(update={"finished": True})))
        logger.info("finished: best epoch %d, weights in %s", _best_epoch(run, recipe), run.best)
    return run


def _enter(run: RunFolder, stack: ExitStack) -> None:
    stack.enter_context(run.locked())
    stack.enter_context(_log_to(run.log))


def _complete_start(
    run: RunFolder, recipe: Recipe, network: LesionNetwork, train: CachedImages, processes: Processes
) -> None:
    """Write the starting weights of a run until it has a checkpoint; those of a bundle are completed before."""
    # Also of a resumed run on stored features, which are those of the complete weights.
    if starts_from_bundle(recipe.model.start) and (recipe.model.freeze or not run.last.exists()):
        unfold_statistics(network, train)
    if not run.last.exists():  # comparable with the trained weights
        processes.by_first(lambda: save_tensors(network.state_dict(), run.start))


def make_network(recipe: Recipe) -> LesionNetwork:
    """Return the network of a recipe with random weights that follow from its seed.

    Raises:
        RecipeError: The recipe does not fit the network.
    """
    pl.seed_everything(recipe.seed, verbose=False)
    network = LesionNetwork(recipe)
    if recipe.unfreeze.layers:
        network.unfreeze_top(recipe.unfreeze.layers)
        network.backbone.requires_grad_(False)
    return network


def load_weights_to_start(
    network: LesionNetwork,
    recipe: Recipe,
    manifest: Manifest,
    split: Split,
    fold: int | None,
    progress: Progress | None,
) -> str:
    """Load the weights that a recipe starts from, and return their source; see `load_start` and `load_pretrained`."""
    if recipe.model.start:
        return load_start(network, recipe, manifest, split, fold, progress)
    return load_pretrained(network.backbone, recipe.model.backbone) if recipe.model.pretrained else "random"


def make_teacher(
    recipe: Recipe, runs: TeacherRuns, start: Mapping[str, Tensor] | None, *, compiled: bool
) -> Teacher | None:
    """Return the teacher of a recipe, or None.

    Args:
        recipe: The recipe.
        runs: The runs that teach.
        start: The starting weights if they teach as well.
        compiled: Whether to compile the networks.
    """
    networks, sizes = [*runs.networks], [*runs.sizes]
    if start is not None:
        network = LesionNetwork(recipe)
        network.load_state_dict(start)
        networks.append(network)
        sizes.append(recipe.input.size)
    return Teacher(networks, sizes, recipe.distillation, compiled=compiled) if networks else None


def fitted_images(manifest: Manifest, split: Split, fold: int | None = None) -> Manifest:
    """Return the training and validation images."""
    subsets = split.subsets(fold)
    return manifest.select([*subsets["train"], *subsets["validation"]])


def _check_folder(run: RunFolder, record: RunRecord, recipe: Recipe) -> bool:
    """Return whether the folder holds an interrupted run of the same recipe and data."""
    if not run.exists():
        return False
    found = run.record()
    same = ("manifest_sha256", "split_sha256", "fold")
    if run.recipe() != recipe or any(getattr(found, key) != getattr(record, key) for key in same):
        raise UsageError(f"{run.path} holds a run of another recipe, dataset or split; choose another --out")
    if found.finished:
        raise UsageError(f"{run.path} holds a finished run; choose another --out, or evaluate this one")
    decisive = ("accelerator", "precision", "compiled", "torch", "processes")
    before = {"processes": "1"} | found.environment
    changed = {key for key in decisive if before.get(key) != record.environment[key]}
    if changed:
        names = ", ".join(sorted(changed)).replace("processes", "number of processes")
        logger.warning("resuming with another %s: the result may differ", names)
    return True


def cached_subsets(
    images: np.ndarray,
    rows: Mapping[str, int],
    label_sets: LabelSets,
    manifest: Manifest,
    split: Split,
    fold: int | None,
) -> dict[str, CachedImages]:
    """Return the training and validation images; `rows` has the row of the cache by path."""
    found = {record.image_id: record for record in manifest}
    records = {name: [found[image_id] for image_id in ids] for name, ids in split.subsets(fold).items()}
    return {
        name: CachedImages(images, [rows[r.path] for r in own], [label_sets.index[r.diagnosis] for r in own], own)
        for name, own in records.items()
        if name in ("train", "validation")
    }


def _log_start(
    run: RunFolder,
    record: RunRecord,
    recipe: Recipe,
    split: Split,
    fold: int | None,
    network: LesionNetwork,
    *,
    resuming: bool,
) -> None:
    if resuming:
        done = len(run.read_history())
        logger.info("resuming %s after epoch %d of %d", run.path, done, recipe.training.epochs)
    sizes = ", ".join(f"{len(ids)} {subset}" for subset, ids in split.subsets(fold).items())
    weights, trained = parameter_count(network) / 1e6, parameter_count(network, trainable=True) / 1e6
    logger.info(
        "recipe %s: %s, %.1f million weights, %.3g million trainable",
        recipe.name,
        recipe.model.backbone,
        weights,
        trained,
    )
    logger.info("starting weights: %s", record.weights)
    logger.info("images: %s; split %s by %s", sizes, split.sha256[:12], split.unit)
    environment = record.environment
    logger.info(
        "device: %s (%s), precision %s%s",
        environment["accelerator"],
        environment["device"],
        environment["precision"],
        "" if environment["processes"] == "1" else f", {environment['processes']} processes",
    )
    if record.leaky:
        logger.warning("LEAKY: split by image, lesions are shared between training and test; all metrics are too high")


def _best_epoch(run: RunFolder, recipe: Recipe) -> int:
    sign = -1 if recipe.training.monitor == "loss" else 1
    history = run.read_history()
    best = max(history, key=lambda row: np.nan_to_num(sign * row[f"validation_{recipe.training.monitor}"], nan=-np.inf))
    return int(best["epoch"])


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Write the package's log messages to a file as well."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger("lesionlab")
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(level)
        package.removeHandler(handler)
        handler.close()
