"""Recovery of the split that a model was trained with, from its description."""

from lesionlab.bundle.schema import BundleInfo
from lesionlab.data import Manifest, Split
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.recipes import Recipe, SplitProtocol, possible_protocols, prepare_split


def recover_split(info: BundleInfo, manifest: Manifest) -> tuple[Manifest, Split] | None:
    """Return the images and the split that a bundle was trained with, or None for another dataset.

    `manifest` is the complete dataset. That of the bundle may be a subset of it, or hold copies; the recipe defines it.

    Raises:
        UsageError: It is the dataset, but its split file is only in the run folder.
    """
    try:
        recipe = Recipe.model_validate(info.recipe)
    except ValueError:
        return None  # a recipe of another package or version: its split cannot be recovered
    leaky = info.training_data.leaky
    for protocol in possible_protocols(recipe) if leaky else (SplitProtocol.LESION,):
        try:
            images, split = prepare_split(recipe, manifest, protocol)
        except LesionlabError:
            continue  # this dataset cannot be split in this way
        if split.sha256 == info.training_data.split_sha256:
            return images, split
    if manifest.sha256 == info.training_data.manifest_sha256:
        raise UsageError(
            f"{info.name} was trained on {manifest.root} with a split file of its own; evaluate its run folder"
        )
    return None
