"""Which images a recipe is trained on and how they are divided: honestly, or as a system's authors did it."""

from lesionlab.data import Manifest, Split, draw_subset, make_split, oversample
from lesionlab.errors import RecipeError
from lesionlab.recipes.schema import Recipe, SplitSettings


def arrange(recipe: Recipe, manifest: Manifest, *, published: bool = False) -> tuple[Manifest, Split]:
    """Return the images that a recipe uses and their split.

    A recipe that asks for a number of images gets them in the published arrangement before the data is divided.
    Otherwise the whole dataset is divided first, and training and validation get their shares of that number; the
    test part stays whole, since nothing is trained on it and more images make narrower intervals.

    Args:
        recipe: Number of images, split, and the published arrangement.
        manifest: The whole dataset.
        published: Divide as the system's authors did, which is leaky, in place of by lesion.

    Raises:
        RecipeError: The recipe names no published arrangement.
        DataError: The data does not allow it.
    """
    wanted = recipe.data.images
    if not published:
        split = _divide(manifest, recipe.split)
        return _reduced(manifest, split, wanted, recipe.seed) if wanted else (manifest, split)
    if recipe.published is None:
        raise RecipeError(f"recipe {recipe.name} has no table [published], so no arrangement to repeat")
    if wanted:
        manifest = draw_subset(manifest, wanted, recipe.seed)
    if recipe.published.oversampled_before_split:
        manifest = oversample(manifest)
    return manifest, _divide(manifest, recipe.published.split)


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
