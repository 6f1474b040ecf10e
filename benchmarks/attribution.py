"""Measure the explanations of several runs by every method, on the validation set of each run's own split.

    python benchmarks/attribution.py RUN [RUN ...] --masks HAM10000_segmentations [--data HAM10000]
        [--out FILE] [--docs FILE]

The first run is measured on more images than the others. The result is written after each method. Runs that are
already in the file are not measured again.
"""

import json
from pathlib import Path

from common import options, versions, write_between

from lesionlab.attribution.check import SampleSizes, check_run
from lesionlab.attribution.result import ModelCheck
from lesionlab.attribution.table import render_table
from lesionlab.data.masks import MaskFolder
from lesionlab.files import write_json
from lesionlab.runs import RunFolder

FIRST = SampleSizes()
OTHERS = SampleSizes(images=40, slow_images=6, curves=12, randomised=18, slow_randomised=3)


def main() -> None:
    parser = options(__doc__, "data", "images", "out", "docs", out=Path("benchmarks/results/attribution.json"))
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--masks", type=Path, required=True)
    arguments = parser.parse_args()
    masks = MaskFolder(arguments.masks)
    done = finished(arguments.out)
    models: list[ModelCheck] = []
    for number, path in enumerate(arguments.runs):
        run = RunFolder(path)
        known = done.get(name_of(run))
        if known is not None:
            models.append(known)
            continue

        def write(partial: ModelCheck, measured: str) -> None:
            write_result(arguments.out, [*models, partial])
            print(f"{partial.run}: {measured}", flush=True)

        default = FIRST if number == 0 else OTHERS
        sizes = SampleSizes.of_images(arguments.images) if arguments.images else default
        models.append(check_run(run, masks, sizes=sizes, data_root=arguments.data, progress=write))
        write_result(arguments.out, models)
    print(render_table(models))
    if arguments.docs:
        write_between(arguments.docs, "attribution", render_table(models))


def name_of(run: RunFolder) -> str:
    return run.recipe().name


def finished(out: Path) -> dict[str, ModelCheck]:
    """Return the completely measured runs by name."""
    if not out.exists():
        return {}
    models = [ModelCheck.model_validate(row) for row in json.loads(out.read_text())["models"]]
    return {model.run: model for model in models if model.artefacts}


def write_result(out: Path, models: list[ModelCheck]) -> None:
    write_json(
        out,
        {
            "what": "measures of explanations on the validation set; 95% intervals by lesion",
            "command": "python benchmarks/attribution.py RUN [RUN ...] --masks HAM10000_segmentations",
            "versions": versions("torch", "captum", "scikit-image", "numpy"),
            "models": [model.model_dump(mode="json") for model in models],
        },
    )


if __name__ == "__main__":
    main()
