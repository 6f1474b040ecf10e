"""Whether explanations are right: every method on several runs, on the validation part of each run's own split.

    python benchmarks/attribution.py RUN [RUN ...] --masks HAM10000_segmentations [--data HAM10000]
        [--out FILE] [--docs FILE]

The first run is measured on more images than the others. What is known is written after each method, so that an early
end leaves a table; runs that the file holds already are not measured again.
"""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

from marked import write_between

from lesionlab.attribution.check import Plan, check_run
from lesionlab.attribution.result import ModelCheck
from lesionlab.attribution.table import render_table
from lesionlab.data.masks import MaskFolder
from lesionlab.files import write_json
from lesionlab.runs import RunFolder

FIRST = Plan()
OTHERS = Plan(images=40, slow_images=6, curves=12, randomised=18, slow_randomised=3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, help="for Grad-CAM, in place of the usual numbers: to try it out")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/attribution.json"))
    parser.add_argument("--docs", type=Path, help="document with a place for the table")
    arguments = parser.parse_args()
    masks = MaskFolder(arguments.masks)
    done = finished(arguments.out)
    models: list[ModelCheck] = []
    for number, place in enumerate(arguments.runs):
        run = RunFolder(place)
        known = done.get(name_of(run))
        if known is not None:
            models.append(known)
            continue

        def write(found: ModelCheck, measured: str) -> None:
            write_result(arguments.out, [*models, found])
            print(f"{found.run}: {measured}", flush=True)

        plan = Plan.of_images(arguments.images) if arguments.images else FIRST if number == 0 else OTHERS
        models.append(check_run(run, masks, plan=plan, data_root=arguments.data, partly=write))
        write_result(arguments.out, models)
    print(render_table(models))
    if arguments.docs:
        write_between(arguments.docs, "attribution", render_table(models))


def name_of(run: RunFolder) -> str:
    return run.recipe().name


def finished(out: Path) -> dict[str, ModelCheck]:
    """Return the runs that were measured to their end, by name."""
    if not out.exists():
        return {}
    models = [ModelCheck.model_validate(row) for row in json.loads(out.read_text())["models"]]
    return {model.run: model for model in models if model.artefacts}


def write_result(out: Path, models: list[ModelCheck]) -> None:
    write_json(
        out,
        {
            "what": "explanations of the validation part, measured; intervals by lesion",
            "command": "python benchmarks/attribution.py RUN [RUN ...] --masks HAM10000_segmentations",
            "versions": {name: version(name) for name in ("torch", "captum", "scikit-image", "numpy")}
            | {"python": platform.python_version()},
            "models": [model.model_dump(mode="json") for model in models],
        },
    )


if __name__ == "__main__":
    main()
