"""Which images of a dataset a model was trained on, validated on, and never shown: found again from its description."""

from lesionlab.bundle.schema import BundleInfo
from lesionlab.data import Manifest, Split
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.recipes import Recipe, SplitProtocol, possible_protocols, prepare_split


def recover_split(info: BundleInfo, manifest: Manifest) -> tuple[Manifest, Split] | None:
    """Return the images and the split that a bundle was trained with if this is its dataset, None if another one.

    Its manifest may be a part of the dataset's, or hold copies: the recipe tells how it was made.

    Args:
        info: Description of the model.
        manifest: The whole dataset.

    Raises:
        UsageError: It is its dataset, divided by a split file that only the run folder has.
    """
    try:
        recipe = Recipe.model_validate(info.recipe)
    except ValueError:
        return None  # of another package or version: its arrangement cannot be made again
    leaky = info.training_data.leaky
    for protocol in possible_protocols(recipe) if leaky else (SplitProtocol.LESION,):
        try:
            arranged, split = prepare_split(recipe, manifest, protocol)
        except LesionlabError:
            continue  # this dataset cannot be divided so, hence was not
        if split.sha256 == info.training_data.split_sha256:
            return arranged, split
    if manifest.sha256 == info.training_data.manifest_sha256:
        raise UsageError(
            f"{info.name} was trained on {manifest.root} with a split file of its own; evaluate its run folder"
        )
    return None
