"""`lesionlab demo`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import log_to_console, progress_bar, require_extra, show
from lesionlab.files import check_output


def demo(
    folder: Annotated[Path, typer.Option("--out", "-o", help="Output folder; it must be new or empty.")] = Path(
        "lesionlab-demo"
    ),
    lesions: Annotated[int, typer.Option(min=70, help="Number of synthetic lesions.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic images.")] = 0,
) -> None:
    """Run the whole workflow on synthetic images: data, check, training, bundle, evaluation, prediction.

    Nothing is downloaded. The images are synthetic: the results are not valid for real skin.
    """
    require_extra("lesionlab demo", "train", "torch", "pytorch_lightning", "timm", "matplotlib")
    check_output(folder)
    from lesionlab.cli.data import check
    from lesionlab.cli.evaluate import evaluate
    from lesionlab.cli.predict import predict
    from lesionlab.cli.train import train
    from lesionlab.phantoms import write_phantoms

    began = time.monotonic()

    def step(number: int, title: str, command: str = "") -> None:
        show(f"\n{number}. {title}", style="bold")
        if command:
            show(command, style="dim")

    step(1, "Draw synthetic images of all seven diagnoses")
    with progress_bar("drawing") as drawing:
        manifest = write_phantoms(folder / "data", lesions=lesions, seed=seed, progress=drawing)
    step(2, "Check the dataset", f"lesionlab data check {folder}/data")
    check(folder / "data")
    step(3, "Train", f"lesionlab train phantom-demo --data {folder}/data --out {folder}/run")
    log_to_console()
    train("phantom-demo", data=[folder / "data"], out=folder / "run")
    step(4, "Evaluate", f"lesionlab evaluate --model {folder}/run")
    evaluate(folder / "run")
    step(5, "Predict", f"lesionlab predict --model {folder}/run {folder}/data/...")
    test = [record for record in manifest if record.image_id in _test_ids(folder / "run")]
    first_of_each = {record.diagnosis: manifest.location(record) for record in reversed(test)}
    predict(sorted(first_of_each.values()), model=folder / "run")
    show(f"\nDone in {time.monotonic() - began:.0f} s. Open {folder}/run/evaluation/test/report.html")
    show(f"The images are synthetic. {RESEARCH_ONLY}")


def _test_ids(run: Path) -> set[str]:
    from lesionlab.runs import RunFolder

    return set(RunFolder(run).split().subsets()["test"])
