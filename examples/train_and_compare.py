"""Train two runs on a table of images and compare them on the same test lesions. Needs the extra `train`.

python examples/train_and_compare.py images/ table.csv runs/

The table has one row per image, with columns such as `image`, `diagnosis` and `lesion`.
"""

import sys
from pathlib import Path

from lesionlab import RESEARCH_ONLY
from lesionlab.data import read_dataset
from lesionlab.evaluation.comparison import compare_predictions
from lesionlab.evaluation.predictions_file import find_predictions, read_predictions
from lesionlab.experiments import complete_run
from lesionlab.recipes import load_recipe, prepare_split
from lesionlab.runs import RunFolder

# The setting under comparison; every other setting is that of the recipe.
VARIANTS = {"weighted": "loss.class_weights=sqrt_balanced", "unweighted": "loss.class_weights=none"}


def main(images: str, table: str, out: str, recipe: str = "efficientnet-lite0", *changes: str) -> None:
    """Train, evaluate and compare two variants of a recipe.

    Args:
        images: Folder of the images.
        table: CSV file.
        out: Folder for the runs. A run that was interrupted continues; a finished one is not repeated.
        recipe: Name of a recipe or a TOML file.
        changes: Settings for both runs, such as `training.epochs=3`.
    """
    manifest = read_dataset(Path(images), metadata=Path(table))
    for name, change in VARIANTS.items():
        settings = load_recipe(recipe, [*changes, change])
        subset, split = prepare_split(settings, manifest)  # by lesion, the same for both
        metrics = complete_run(RunFolder(Path(out) / name), settings, subset, split)
        found = metrics["overall"]["balanced_accuracy"]
        print(f"{name}: balanced accuracy {found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})")

    a, b = (read_predictions(find_predictions(Path(out) / name, "test")) for name in VARIANTS)
    comparison = compare_predictions(a, b)
    for row in comparison.metrics:
        print(row.sentence)
    print(f"{comparison.n_images} test images of {comparison.n_lesions} lesions. {RESEARCH_ONLY}")


if __name__ == "__main__":
    main(*sys.argv[1:])
