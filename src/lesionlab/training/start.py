"""Starting weights from another model: a run, or a bundle such as the model of the package."""

import logging
from collections.abc import Callable
from pathlib import Path

from lesionlab.bundle import Bundle, is_bundle
from lesionlab.data import Manifest, Split
from lesionlab.errors import DataError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder, require_same_subsets
from lesionlab.taxonomy import TASKS
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.network import LesionNetwork
from lesionlab.training.trained import bundle_weights

logger = logging.getLogger(__name__)

DEFAULT = "default"  # as in the recipe's `crop.segmentation`
# Share of the validation and test images that may resemble images of the starting model by chance.
_BY_CHANCE = 0.01

Progress = Callable[[int, int], None]


def starts_from_bundle(path: str) -> bool:
    """Return whether `model.start` names a bundle, and not a run."""
    return path == DEFAULT or (is_bundle(Path(path)) and not RunFolder(Path(path)).exists())


def load_start(
    network: LesionNetwork,
    recipe: Recipe,
    manifest: Manifest,
    split: Split,
    fold: int | None,
    progress: Progress | None = None,
) -> str:
    """Load the weights of a run or bundle into a network.

    If the tasks differ, the classes that both have keep their weights, and the others those that the network has.

    Args:
        network: The network; its weights are replaced.
        recipe: Its recipe. `model.start` is a run folder, a bundle, or `default` for the model of the package. The
            weights of a bundle have the batch normalisation folded into the convolutions; see `unfold_batch_norm`.
        manifest: The images of the new run.
        split: Their split.
        fold: Its fold; None for a split without folds.
        progress: Called with the number of images compared with those of a bundle, and the total.

    Returns:
        The source of the weights.

    Raises:
        DataError: They are of another network, were fitted to validation or test images of the new run, or are to be a
            teacher and have other classes.
    """
    path = recipe.model.start
    if starts_from_bundle(path):
        bundle = Bundle.load(None if path == DEFAULT else path)
        _require_unseen(bundle, manifest, split, fold, progress)
        weights, classes = bundle_weights(bundle, network), bundle.info.classes
        source = f"bundle {bundle.info.identity}"
    else:
        run = RunFolder(Path(path))
        require_same_subsets(run, split, fold, "model.start")
        weights, classes = load_weights(run.best), TASKS[run.recipe().task].classes
        source = f"run {run.record().recipe_name}, from {run.record().weights}"
    own = TASKS[recipe.task].classes
    if tuple(classes) != own and recipe.distillation.start:
        raise DataError(f"distillation.start: the classes of {path} are not those of task {recipe.task}")
    if tuple(classes) != own and not network.head.sigmoid:
        for name in ("head.classifier.weight", "head.classifier.bias"):
            rows = network.state_dict()[name].clone()
            for position, code in enumerate(own):
                if code in classes:
                    rows[position] = weights[name][classes.index(code)]
            weights[name] = rows
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:  # torch's message lists every tensor
        raise DataError(f"model.start: the weights of {path} are those of another network") from error
    return source


def _require_unseen(
    bundle: Bundle, manifest: Manifest, split: Split, fold: int | None, progress: Progress | None
) -> None:
    """Check that a bundle was not fitted to validation or test images, as far as its index can tell.

    The lesions of a dataset that is split as in the bundle's training are left out of the search: its validation images
    are those of the bundle. The hash of the split proves it.
    """
    data = bundle.info.training_data
    proven: set[str] = set()
    for part in manifest.parts or (frozenset(split.assignment),):
        own = {image_id: subset for image_id, subset in split.assignment.items() if image_id in part}
        alone = split.model_copy(update={"manifest_sha256": data.manifest_sha256, "assignment": own})
        if fold is None and alone.sha256 == data.split_sha256:
            proven |= {record.lesion_id for record in manifest if record.image_id in part}
    subsets = split.subsets(fold)
    others = {*subsets["validation"], *subsets["test"]}
    held_out = {record.image_id for record in manifest if record.image_id in others and record.lesion_id not in proven}
    if not held_out:
        return
    if bundle.seen_images is None:
        raise DataError(f"model.start: {bundle.path} has no index of its training images; use its run folder")
    found, counts = bundle.seen_images.find(manifest.select(held_out), data.manifest_sha256, progress=progress)
    if counts.by_identifier or len(found) > _BY_CHANCE * len(held_out):
        raise DataError(
            f"model.start: {bundle.path} was fitted to {len(found)} of the {len(held_out)} validation and test images "
            f"({found[0].image_id}, ...); use its split, or other images"
        )
    if found:
        logger.warning(
            "model.start: %d of the %d validation and test images resemble training images of %s (%s)",
            len(found),
            len(held_out),
            bundle.info.identity,
            ", ".join(record.image_id for record in found[:5]),
        )
