"""Measure the explanations of the shipped model and of runs by every method.

    python benchmarks/attribution.py --data HAM10000 --masks HAM10000_segmentations [RUN ...] [--out FILE] [--docs FILE]

The shipped model is measured on the images of `--data` that it was not fitted to, a run on fewer images: the validation
set of its own split. The result is written after each method. A model that is in the file is not measured again.
"""

import json
from pathlib import Path

from common import command, options, versions, write_between

from lesionlab.attribution.check import SampleSizes, check_model, validation_images
from lesionlab.attribution.result import ModelCheck
from lesionlab.attribution.table import render_table
from lesionlab.attribution.trained import open_trained
from lesionlab.bundle import Bundle
from lesionlab.data import Manifest, read_dataset
from lesionlab.data.masks import MaskFolder
from lesionlab.evaluation.seen import without_seen
from lesionlab.files import write_json
from lesionlab.runs import RunFolder

SHIPPED = SampleSizes()
RUNS = SampleSizes(images=40, slow_images=6, curves=12, randomised=18, slow_randomised=3)


def main() -> None:
    parser = options(__doc__, "data!", "images", "out", "docs", out=Path("benchmarks/results/attribution.json"))
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--masks", type=Path, required=True)
    arguments = parser.parse_args()
    masks, done = MaskFolder(arguments.masks), finished(arguments.out)

    def write(partial: ModelCheck, measured: str) -> None:
        write_result(arguments.out, command(arguments), {**done, partial.bundle: partial})
        print(f"{partial.run}: {measured}", flush=True)

    sources: list[RunFolder | Bundle] = [Bundle.load(None), *map(RunFolder, arguments.runs)]
    for source in sources:
        name = (source if isinstance(source, Bundle) else Bundle.load(source.bundle)).info.identity
        if name in done:
            continue
        images, subset = images_of(source, arguments.data)
        default = SHIPPED if isinstance(source, Bundle) else RUNS
        sizes = SampleSizes.of_images(arguments.images) if arguments.images else default
        done[name] = check_model(open_trained(source), images, masks, sizes=sizes, subset=subset, progress=write)
    table = render_table(list(done.values()))
    print(table)
    if arguments.docs:
        write_between(arguments.docs, "attribution", table)


def images_of(source: RunFolder | Bundle, data: Path) -> tuple[Manifest, str]:
    """Return images that the model was not trained on, and the name of their subset."""
    if isinstance(source, Bundle):
        return without_seen(source, read_dataset(data), identifiers=True, keep=False)[0], "unseen"
    return validation_images(source, data), "validation"


def finished(out: Path) -> dict[str, ModelCheck]:
    """Return the completely measured models by identity."""
    if not out.exists():
        return {}
    models = [ModelCheck.model_validate(row) for row in json.loads(out.read_text())["models"]]
    return {model.bundle: model for model in models if model.artefacts}


def write_result(out: Path, line: str, models: dict[str, ModelCheck]) -> None:
    write_json(
        out,
        {
            "what": "measures of explanations on images that the model was not trained on; 95% intervals by lesion",
            "command": line,
            "versions": versions("torch", "captum", "scikit-image", "numpy"),
            "models": [model.model_dump(mode="json") for model in models.values()],
        },
    )


if __name__ == "__main__":
    main()
