"""`lesionlab demo`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import log_to_console, out, progress_bar, require_extra
from lesionlab.errors import UsageError


def demo(
    folder: Annotated[Path, typer.Option("--out", help="Folder to make; it must not exist yet or be empty.")] = Path(
        "lesionlab-demo"
    ),
    lesions: Annotated[int, typer.Option(min=70, help="Number of synthetic lesions.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other images.")] = 0,
) -> None:
    """Go the whole path on synthetic images: data, check, training, bundle, evaluation, prediction.

    Nothing is downloaded. The images are drawn by a program: what comes out says nothing about real skin.
    """
    require_extra("lesionlab demo", "train", "torch", "pytorch_lightning", "timm", "matplotlib")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is in the way; remove it or choose another place with --out")
    from rich.markup import escape

    from lesionlab.cli.data import check
    from lesionlab.cli.evaluate import evaluate
    from lesionlab.cli.predict import predict
    from lesionlab.cli.train import train
    from lesionlab.phantoms import write_phantoms

    began = time.monotonic()
    place = escape(str(folder))

    def step(number: int, what: str, command: str) -> None:
        out.print(f"\n[bold]{number}. {what}[/bold]  [dim]{command}[/dim]", soft_wrap=True)

    step(1, "Draw synthetic images of all seven diagnoses", "")
    with progress_bar("drawing") as drawing:
        manifest = write_phantoms(folder / "data", lesions=lesions, seed=seed, progress=drawing)
    step(2, "Check the dataset", f"lesionlab data check {place}/data")
    check(folder / "data")
    step(3, "Train", f"lesionlab train phantom-demo --data {place}/data --out {place}/run")
    log_to_console()
    train("phantom-demo", data=folder / "data", out=folder / "run")
    step(4, "Evaluate", f"lesionlab evaluate {place}/run")
    evaluate(folder / "run")
    step(5, "Judge images", f"lesionlab predict --model {place}/run {place}/data/...")
    test = [record for record in manifest if record.image_id in _test_ids(folder / "run")]
    first_of_each = {record.diagnosis: manifest.location(record) for record in reversed(test)}
    predict(sorted(first_of_each.values()), model=folder / "run")
    out.print(
        f"\nDone in {time.monotonic() - began:.0f} s. Open {place}/run/evaluation/test/report.html", soft_wrap=True
    )
    out.print(f"These images were drawn by a program. {RESEARCH_ONLY}")


def _test_ids(run: Path) -> set[str]:
    from lesionlab.runs import RunFolder

    return set(RunFolder(run).split().subsets()["test"])
