"""The split of a dataset that a model was trained on, alone or together with others."""

from pathlib import Path

from lesionlab.bundle import Bundle
from lesionlab.bundle.split_recovery import recover_split
from lesionlab.data import Manifest, Split, read_dataset
from lesionlab.recipes import Recipe
from lesionlab.recipes.split_protocol import prepare_split


def own_split(bundle: Bundle, folder: Path) -> tuple[Manifest, Split]:
    """Return the images and the split.

    Several datasets are split one by one. The index of seen images proves that one of them was split in this way: it
    holds all of its training and validation lesions, and no test lesion.
    """
    dataset = read_dataset(folder)
    recovered = recover_split(bundle.info, dataset)
    if recovered is not None:
        return recovered
    manifest, split = prepare_split(Recipe.model_validate(bundle.info.recipe), dataset)
    test = split.subsets()["test"]
    if bundle.seen_images is not None:
        found, counts = bundle.seen_images.find(manifest, bundle.info.training_data.manifest_sha256)
        seen = {record.image_id for record in found}
        if counts.by_identifier == len(manifest) - len(test) and len(seen & set(test)) <= 0.01 * len(test):
            return manifest, split
    raise SystemExit(f"{folder}: {bundle.info.identity} was not trained on this dataset, or not with its own split")
