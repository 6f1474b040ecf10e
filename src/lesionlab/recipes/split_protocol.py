"""Which images a recipe is trained on and how they are divided: honestly, or as a system's authors did it."""

from enum import StrEnum

from lesionlab.data import Manifest, Split, draw_subset, make_split, oversample
from lesionlab.errors import DataError, RecipeError
from lesionlab.recipes.schema import Recipe, SplitSettings
from lesionlab.taxonomy import TASKS


class SplitProtocol(StrEnum):
    """How the data is divided.

    - `published`: as a system's authors did it, which is leaky.
    - `image`: their split as well, without the copies that were made before it; leaky too. It tells what part of the
      difference between the other two comes from the copies, and what from lesions with several images.
    - `lesion`: by lesion, as the recipe says.
    """

    PUBLISHED = "published"
    IMAGE = "image"
    LESION = "lesion"


def prepare_split(
    recipe: Recipe, manifest: Manifest, protocol: SplitProtocol = SplitProtocol.LESION
) -> tuple[Manifest, Split]:
    """Return the images that a recipe uses and their split.

    A recipe that asks for a number of images gets them in the published arrangement before the data is divided.
    Otherwise the whole dataset is divided first, and training and validation get their shares of that number; the
    test part stays whole, since nothing is trained on it and more images make narrower intervals.

    Args:
        recipe: Number of images, split, and the published arrangement.
        manifest: The whole dataset.
        protocol: How to divide it.

    Raises:
        RecipeError: The recipe names no published arrangement, or one without copies where they are to be left out.
        DataError: The data does not allow it.
    """
    wanted = recipe.data.images
    if protocol is SplitProtocol.LESION:
        split = _divide(manifest, recipe.split)
        return _reduced(manifest, split, wanted, recipe.seed) if wanted else (manifest, split)
    if recipe.published is None:
        raise RecipeError(f"recipe {recipe.name} has no table [published], so no arrangement to repeat")
    copies = recipe.published.oversampled_before_split
    if protocol is SplitProtocol.IMAGE and not copies:
        raise RecipeError(
            f"recipe {recipe.name}: nothing was copied before the published split, so the arrangement image is no "
            "other than published"
        )
    if wanted:
        manifest = draw_subset(manifest, wanted, recipe.seed)
    if copies and protocol is SplitProtocol.PUBLISHED:
        manifest = oversample(manifest)
    return manifest, _divide(manifest, recipe.published.split)


def possible_protocols(recipe: Recipe) -> tuple[SplitProtocol, ...]:
    """Return the arrangements that a recipe allows, from the leakiest to the honest one."""
    if recipe.published is None:
        return (SplitProtocol.LESION,)
    copies = recipe.published.oversampled_before_split
    return tuple(one for one in SplitProtocol if copies or one is not SplitProtocol.IMAGE)


def check_classes(recipe: Recipe, manifest: Manifest, split: Split, fold: int | None = None) -> None:
    """Refuse a part that lacks a class of the recipe's task: its recall could be neither learnt nor measured.

    A test part may be left out as a whole; training does not read it.

    Args:
        recipe: What is to be told apart.
        manifest: The images.
        split: Their parts.
        fold: Which fold of a split with folds is the validation part.

    Raises:
        DataError: A part has no image, or none of a class.
    """
    task = TASKS[recipe.task]
    diagnosis = {record.image_id: record.diagnosis for record in manifest}
    for name, ids in split.parts(fold).items():
        if not ids:
            if name == "test":
                continue
            raise DataError(f"the {name} part has no image; split the data again")
        found = {task.index(diagnosis[image_id]) for image_id in ids}
        absent = [code for index, code in enumerate(task.classes) if index not in found]
        if absent:
            raise DataError(
                f"the {name} part has no image of {', '.join(absent)}, which task {task.name} tells apart; "
                "add images of it, or split the data again"
            )


def _divide(manifest: Manifest, settings: SplitSettings) -> Split:
    return make_split(
        manifest,
        validation=settings.validation,
        test=settings.test,
        seed=settings.seed,
        by_image=settings.by_image,
    )


def _reduced(manifest: Manifest, split: Split, wanted: int, seed: int) -> tuple[Manifest, Split]:
    """Leave `wanted` images' worth of training and validation images, each part in its share, and the whole test."""
    shares = {"validation": split.fractions["validation"]}
    shares["train"] = 1 - sum(split.fractions.values())
    parts = split.parts()
    kept = set(parts["test"])
    for name, share in shares.items():
        # Of a dataset that is hardly larger than what is wanted, a part may hold fewer than its share.
        count = min(round(wanted * share), len(parts[name]))
        drawn = draw_subset(manifest.select(parts[name]), count, seed)
        kept |= {record.image_id for record in drawn}
    chosen = manifest.select(kept)
    assignment = {image_id: part for image_id, part in split.assignment.items() if image_id in kept}
    return chosen, split.model_copy(update={"manifest_sha256": chosen.sha256, "assignment": assignment})
