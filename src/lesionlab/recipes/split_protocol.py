"""Split protocols: by lesion, or as published."""

import logging
from enum import StrEnum

from lesionlab.data import (
    Manifest,
    Split,
    draw_subset,
    images_of_task,
    left_out_in_words,
    oversample,
    split_datasets,
)
from lesionlab.errors import DataError, RecipeError
from lesionlab.recipes.data import SplitSettings
from lesionlab.recipes.schema import Recipe
from lesionlab.taxonomy import TASKS

logger = logging.getLogger(__name__)


class SplitProtocol(StrEnum):
    """How the data is split.

    - `published`: as in the original publication, which is leaky.
    - `image`: the published split without the copies that were made before it; also leaky. It separates the effects of
      copies and of lesions with several images.
    - `lesion`: by lesion, with the recipe's fractions.
    """

    PUBLISHED = "published"
    IMAGE = "image"
    LESION = "lesion"


def prepare_split(
    recipe: Recipe, manifest: Manifest, protocol: SplitProtocol = SplitProtocol.LESION
) -> tuple[Manifest, Split]:
    """Return the images that a recipe uses and their split.

    A recipe's number of images is drawn before the published split. In a split by lesion the whole dataset is split
    first, and training and validation are reduced to their fractions of that number; the test subset is not reduced,
    since more test images give narrower intervals.

    Args:
        recipe: Number of images, split, and the published protocol.
        manifest: The whole dataset.
        protocol: The split protocol.

    Raises:
        RecipeError: The recipe has no published protocol, or one without copies for the protocol `image`.
        DataError: The dataset is too small, or has labels that determine no class (see `DataSettings`).
    """
    manifest = usable_images(recipe, manifest)
    images = recipe.data.images
    if protocol is SplitProtocol.LESION:
        split = _split(manifest, recipe.split)
        return _reduced(manifest, split, images, recipe.seed) if images else (manifest, split)
    if recipe.published is None:
        raise RecipeError(f"recipe {recipe.name} has no table [published], so no published split protocol")
    copies = recipe.published.oversampled_before_split
    if protocol is SplitProtocol.IMAGE and not copies:
        raise RecipeError(
            f"recipe {recipe.name}: no copies were made before the published split, so the protocols image and "
            "published are the same"
        )
    if images:
        manifest = draw_subset(manifest, images, recipe.seed)
    if copies and protocol is SplitProtocol.PUBLISHED:
        manifest = oversample(manifest)
    return manifest, _split(manifest, recipe.published.split)


def usable_images(recipe: Recipe, manifest: Manifest) -> Manifest:
    """Return the images whose label determines a class of the recipe's task, or allows several if they are used.

    Raises:
        DataError: There are other images, and the recipe does not leave them out; or no image is left.
    """
    task = TASKS[recipe.task]
    kept, left_out = images_of_task(manifest, task, partial=recipe.data.other_diagnoses == "partial")
    if left_out and recipe.data.other_diagnoses == "error":
        raise DataError(
            f"{manifest.root}: {left_out_in_words(left_out, task)}; leave them out with "
            "--set data.other_diagnoses=leave-out, use those that allow several classes with partial, or choose "
            "another task"
        )
    if left_out:
        logger.info("%s: left out", left_out_in_words(left_out, task))
    return kept


def usable_split(recipe: Recipe, manifest: Manifest, split: Split) -> tuple[Manifest, Split]:
    """Return the images that `usable_images` keeps, and their part of a split of the whole dataset.

    Raises:
        DataError: The split belongs to other data, or there are other images (see `usable_images`).
    """
    split.check_against(manifest)
    return _part_of_split(usable_images(recipe, manifest), split)


def possible_protocols(recipe: Recipe) -> tuple[SplitProtocol, ...]:
    """Return the protocols that a recipe allows, from the leakiest to the split by lesion."""
    if recipe.published is None:
        return (SplitProtocol.LESION,)
    copies = recipe.published.oversampled_before_split
    return tuple(one for one in SplitProtocol if copies or one is not SplitProtocol.IMAGE)


def check_classes(recipe: Recipe, manifest: Manifest, split: Split, fold: int | None = None) -> None:
    """Check that every subset has all classes of the recipe's task.

    An empty test subset is allowed, and one that is a whole source, and no fraction of each class, may lack classes.

    Args:
        recipe: The recipe.
        manifest: The images.
        split: Their split.
        fold: The fold for validation, if the split has folds.

    Raises:
        DataError: A subset has no image, or none of a class.
    """
    task = TASKS[recipe.task]
    diagnosis = {record.image_id: record.diagnosis for record in manifest}
    for name, ids in split.subsets(fold).items():
        if name == "test" and name not in split.fractions:
            continue
        if not ids:
            if name == "test":
                continue
            raise DataError(f"the {name} subset has no image; split the data again")
        found = {task.index(label) for label in {diagnosis[image_id] for image_id in ids} if task.determines(label)}
        absent = [code for index, code in enumerate(task.classes) if index not in found]
        if absent:
            raise DataError(
                f"the {name} subset has no image of {', '.join(absent)}, which task {task.name} requires; "
                "add images of it, or split the data again"
            )


def _split(manifest: Manifest, settings: SplitSettings) -> Split:
    return split_datasets(
        manifest,
        validation=settings.validation,
        test=settings.test,
        seed=settings.seed,
        by_image=settings.by_image,
    )


def _reduced(manifest: Manifest, split: Split, images: int, seed: int) -> tuple[Manifest, Split]:
    """Reduce training and validation to their fractions of `images`."""
    shares = {"validation": split.fractions["validation"]}
    shares["train"] = 1 - sum(split.fractions.values())
    subsets = split.subsets()
    kept = set(subsets["test"])
    for name, share in shares.items():
        # If the dataset is hardly larger than `images`, a subset may have fewer images than its fraction.
        count = min(round(images * share), len(subsets[name]))
        drawn = draw_subset(manifest.select(subsets[name]), count, seed)
        kept |= {record.image_id for record in drawn}
    return _part_of_split(manifest.select(kept), split)


def _part_of_split(images: Manifest, split: Split) -> tuple[Manifest, Split]:
    if len(images) == len(split.assignment):
        return images, split
    assignment = {record.image_id: split.assignment[record.image_id] for record in images}
    return images, split.model_copy(update={"manifest_sha256": images.sha256, "assignment": assignment})
