"""`lesionlab label`: choose lesions to label, label them in a page, and measure the readers' agreement."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import new_table, note, progress_bar, require_extra, show, show_json, show_table, warn
from lesionlab.cli.hmnist import DatasetFolder
from lesionlab.cli.label_issues import Features, seen_images
from lesionlab.cli.options import Columns, Force, Json, Metadata, Model, NewFolder, Unknown, add_commands, open_dataset
from lesionlab.errors import UsageError
from lesionlab.files import check_output, replacing_folder, write_json, write_text

if TYPE_CHECKING:
    import numpy as np

    from lesionlab.data import Manifest
    from lesionlab.labelling.curves import Simulation
    from lesionlab.metrics import Estimate

app = typer.Typer(help=f"Label lesions, the most useful ones first. {RESEARCH_ONLY}", no_args_is_help=True)

_LEAST_LESIONS = 5  # of a class of the simulation: one of them is held out


def simulate(
    folder: DatasetFolder,
    out: NewFolder,
    model: Model = None,
    strategies: Annotated[
        list[str] | None,
        typer.Option(
            "--strategies",
            help="Strategies by name, separated by commas; random is always added. Default: all.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of repetitions, each with other first labels.")] = 5,
    start: Annotated[int, typer.Option(min=2, help="Number of first labels, drawn at random.")] = 100,
    batch: Annotated[int, typer.Option(min=1, help="Number of labels between two fits of the head.")] = 50,
    budget: Annotated[int, typer.Option(min=3, help="Number of labels at the end.")] = 1000,
    features: Annotated[
        Features,
        typer.Option(help="Frozen network: --model, or EfficientNet-Lite0 with ImageNet weights (extra train)."),
    ] = Features.MODEL,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Replay the labelling of a labelled dataset; write the learning curves of all strategies against random sampling.

    A linear head on the features of a frozen network is fitted after each batch, and measured by its balanced accuracy
    on a fifth of the lesions, which are held out. Writes curves.json, curves.csv and curves.svg.
    """
    require_extra("lesionlab label simulate", "evaluate", "matplotlib", "markupsafe")
    import numpy as np

    from lesionlab.curation import classes_of_labels
    from lesionlab.data import images_of_task, left_out_in_words
    from lesionlab.labelling.curves import Simulation, curves_as_csv, learning_curves
    from lesionlab.labelling.embeddings import lesion_means, lesions_of
    from lesionlab.labelling.figure import draw_curves
    from lesionlab.labelling.simulate import BASELINE, Plan, replay
    from lesionlab.labelling.strategies import STRATEGIES, check_strategies

    if budget <= start:
        raise UsageError(f"--budget {budget} is not above --start {start}; choose a larger one")
    names = [name.strip() for text in strategies or () for name in text.split(",")] or list(STRATEGIES)
    plan = Plan(tuple(check_strategies([BASELINE, *names])), seeds, start, batch, budget)
    check_output(out, [folder, *(metadata or ())], force=force)
    manifest = open_dataset(folder, columns, metadata, unknown)
    task = classes_of_labels(manifest, _LEAST_LESIONS)
    used, left_out = images_of_task(manifest, task)
    if left_out:
        note(left_out_in_words(left_out, task))
    found, network, warnings = _frozen_features(used, features, model)
    lesions = lesions_of(used.records)
    first = [used.records[rows[0]] for rows in lesions.values()]
    labels = np.array([task.index(record.diagnosis) for record in first])
    groups = [record.lesion_id for record in first]
    with progress_bar("replaying") as progress:
        replayed = replay(lesion_means(found, lesions), labels, groups, len(task.classes), plan, progress)
    simulation = Simulation(
        dataset=used.root.resolve().name,
        features=network,
        classes=task.classes,
        candidates=replayed.candidates,
        held_out=len(replayed.labels),
        seeds=seeds,
        start=start,
        batch=batch,
        budget=budget,
        warnings=tuple(warnings),
        curves=learning_curves(replayed, plan, len(task.classes)),
    )
    with replacing_folder(out) as written:
        write_json(written / "curves.json", simulation.model_dump(mode="json"))
        write_text(written / "curves.csv", curves_as_csv(simulation.curves))
        write_text(written / "curves.svg", draw_curves(simulation))
    for warning in warnings:
        warn(warning)
    if as_json:
        show_json(simulation)
        return
    _show_simulation(simulation)
    show(f"Learning curves: {out / 'curves.svg'}, {out / 'curves.csv'} and {out / 'curves.json'}")
    show(RESEARCH_ONLY)


def _frozen_features(
    manifest: "Manifest", features: Features, model: Path | None
) -> "tuple[np.ndarray, str, list[str]]":
    """Return the features of images, the network in words, and what limits their use."""
    from lesionlab.bundle import Bundle
    from lesionlab.curation import imagenet_features
    from lesionlab.labelling.embeddings import image_outputs

    warnings = []
    if not manifest.lesions_known:
        warnings.append("The dataset does not identify lesions: images of one lesion may be labelled and held out.")
    with progress_bar("computing features") as progress:
        if features is Features.IMAGENET:
            return imagenet_features(manifest, progress), "EfficientNet-Lite0 with ImageNet weights", warnings
        bundle = Bundle.load(model)
        found = image_outputs(manifest, bundle, progress).features
    return found, bundle.info.identity, warnings + seen_images(bundle, manifest)


def _show_simulation(simulation: "Simulation") -> None:
    title = (
        f"{simulation.dataset}, {simulation.features}: {simulation.candidates:,} lesions to choose from, "
        f"{simulation.held_out:,} held out, {simulation.seeds} seeds"
    )
    table = new_table("strategy", "balanced accuracy", "mean difference to random", "labels needed", "", title=title)
    for curve in simulation.curves:
        last = curve.points[-1]
        table.add_row(
            curve.strategy,
            _in_words(last.balanced_accuracy),
            "" if curve.compared == "baseline" else _in_words(curve.mean_difference, sign="+"),
            "not reached" if curve.labels_needed is None else f"{curve.labels_needed:,}",
            "" if curve.compared == "baseline" else curve.compared,
        )
    show_table(table)
    show(
        f"Balanced accuracy: at {simulation.budget:,} labels. Labels needed: for that of random sampling at "
        f"{simulation.budget:,} labels. 95% intervals over held-out lesions and seeds."
    )


def _in_words(estimate: "Estimate", sign: str = "") -> str:
    numbers = [estimate.value, estimate.low, estimate.high]
    value, low, high = ("-" if number is None else f"{number:{sign}.3f}" for number in numbers)
    return f"{value} ({low} to {high})"


add_commands(app, simulate)
