"""`lesionlab label`: choose lesions to label, label them in a page, and measure the readers' agreement."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import note, progress_bar, require_extra, show, show_json, warn
from lesionlab.cli.hmnist import DatasetFolder
from lesionlab.cli.label_issues import Features, seen_images
from lesionlab.cli.label_view import show_agreement, show_simulation
from lesionlab.cli.options import (
    Columns,
    Force,
    Json,
    Metadata,
    Model,
    NewFolder,
    Unknown,
    add_commands,
    column_mapping,
    existing,
    open_dataset,
    with_verbosity,
)
from lesionlab.errors import DataError, UsageError
from lesionlab.files import check_output, replacing_folder, write_json, write_text

if TYPE_CHECKING:
    import numpy as np

    from lesionlab.data import Manifest
    from lesionlab.labelling.lesions import LesionSet

app = typer.Typer(help=f"Label lesions, the most useful ones first. {RESEARCH_ONLY}", no_args_is_help=True)

Store = Annotated[
    str,
    typer.Option(
        "--store",
        help="Labelling store: an SQLite file, or a URL such as postgresql://user@host/labels.",
        show_default=False,
    ),
]
Readings = Annotated[
    int | None,
    typer.Option(
        min=1, max=9, help="Independent readings of each lesion, of a new store. Default: 1.", show_default=False
    ),
]
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
    show_simulation(simulation)
    show(f"Learning curves: {out / 'curves.svg'}, {out / 'curves.csv'} and {out / 'curves.json'}")
    show(RESEARCH_ONLY)


def serve(
    folder: DatasetFolder,
    store: Store,
    model: Model = None,
    strategy: Annotated[str, typer.Option(help="Strategy that chooses the next lesions.")] = "hybrid",
    batch: Annotated[int, typer.Option(min=1, help="Number of lesions that the strategy chooses at a time.")] = 50,
    review: Annotated[
        list[Path] | None,
        typer.Option(
            "--review",
            callback=existing,
            help="A decisions.csv of `data label-issues` or `data duplicates`: its lesions come first. Repeatable.",
            show_default=False,
        ),
    ] = None,
    readings: Readings = None,
    show_prediction: Annotated[
        bool, typer.Option("--show-prediction", help="Show the model's result before the reader has answered.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of this machine; 0 for any free port.")] = 8010,
    metadata: Metadata = None,
    columns: Columns = None,
) -> None:
    """Serve a page on this machine in which readers label lesions, the most useful ones first.

    Answers are stored at once; a reader does not see those of others. Lesions on which readers disagree are adjudicated
    in the same page. Ctrl-C stops the server.
    """
    _require_label("serve")
    require_extra("lesionlab label serve", "app", "fastapi", "uvicorn", "prometheus_client", "limits")
    from lesionlab.labelling.queue import Queue, add_review, open_labelling
    from lesionlab.labelling.server import LabelService, create_label_app, run_label_server
    from lesionlab.labelling.store import LabelStore
    from lesionlab.labelling.strategies import check_strategies
    from lesionlab.serving.server import bind

    check_strategies([strategy])
    lesions = _lesions(folder, model, metadata, columns)
    with LabelStore(store) as opened, bind("127.0.0.1", port) as bound:
        open_labelling(opened, lesions.manifest, readings)
        for path in review or ():
            note(f"{path}: {add_review(opened, lesions, path):,} lesions for review")
        service = LabelService(Queue(lesions, opened, strategy, batch), show_prediction)
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        text = f"label {lesions.manifest.root.resolve().name} at {url} (Ctrl-C stops it). {RESEARCH_ONLY}"
        run_label_server(create_label_app(service), bound, lambda: note(text))


def export(
    folder: DatasetFolder,
    store: Store,
    out: NewFolder,
    metadata: Metadata = None,
    columns: Columns = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the labels of a store: manifest.csv for `lesionlab train --metadata`, and readings.csv with all readings.

    The manifest has the lesions on which the readers agree or that were adjudicated, with the origin of each label.
    """
    _require_label("export")
    from lesionlab.labelling.exchange import labelled_lesions, manifest_with_labels, readings_as_csv
    from lesionlab.labelling.images import read_images
    from lesionlab.labelling.store import LabelStore

    _existing_store(store)
    check_output(out, [folder, *(metadata or ())], force=force)
    manifest = read_images(folder, column_mapping(columns), metadata)
    with LabelStore(store) as opened:
        state = opened.state()
    with replacing_folder(out) as written:
        write_text(written / "manifest.csv", manifest_with_labels(state, manifest))
        write_text(written / "readings.csv", readings_as_csv(state))
    labels = labelled_lesions(state, manifest)
    counts = Counter(str(state.status(lesion)) for lesion in state.lesions())
    if as_json:
        show_json(
            {"lesions": len(labels), "classes": Counter(labels.values()), "status": counts, "notice": RESEARCH_ONLY}
        )
        return
    listed = ", ".join(f"{status} {count:,}" for status, count in sorted(counts.items()))
    show(f"{len(labels):,} lesions with a diagnosis in {out / 'manifest.csv'} (lesions read: {listed}).")
    show(f"Train with: lesionlab train RECIPE --data {folder} --metadata {out / 'manifest.csv'}")
    show(RESEARCH_ONLY)


def _decoded(text: str | None) -> str | None:
    """Return an argument as UTF-8, which Python does not assume where the locale is that of ASCII."""
    return None if text is None else os.fsencode(text).decode(errors="replace")


def import_labels(
    folder: DatasetFolder,
    table: Annotated[
        Path,
        typer.Argument(
            callback=existing,
            help="Labels: CSV, Excel, Parquet, or an export of Label Studio (JSON) or CVAT (XML).",
            show_default=False,
        ),
    ],
    store: Store,
    reader: Annotated[
        str | None,
        typer.Option(callback=_decoded, help="Reader of rows without a column `reader`.", show_default=False),
    ] = None,
    readings: Readings = None,
    metadata: Metadata = None,
    columns: Columns = None,
    as_json: Json = False,
) -> None:
    """Import labels as answers of readers; importing the same file again changes nothing.

    The file is a spreadsheet, or an export of Label Studio or CVAT.
    """
    _require_label("import")
    from lesionlab.labelling.exchange import read_labels
    from lesionlab.labelling.images import read_images
    from lesionlab.labelling.queue import open_labelling
    from lesionlab.labelling.store import LabelStore

    manifest = read_images(folder, column_mapping(columns), metadata)
    events = read_labels(table, manifest, reader, column_mapping(columns))
    with LabelStore(store) as opened:
        before = len(open_labelling(opened, manifest, readings).events)
        state = opened.append(*events)
    added = len(state.events) - before
    if as_json:
        show_json({"rows": len(events), "added": added, "notice": RESEARCH_ONLY})
        return
    show(f"{table}: {len(events):,} labels, {added:,} of them new in {store}")
    show(RESEARCH_ONLY)


def agreement(
    store: Store,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            callback=existing,
            help="Folder of the dataset: adds the model as a reader, and accuracy where the dataset has labels.",
            show_default=False,
        ),
    ] = None,
    model: Model = None,
    metadata: Metadata = None,
    columns: Columns = None,
    as_json: Json = False,
) -> None:
    """Print the agreement of the readers of a store: Cohen's and Fleiss' kappa with 95% intervals by lesion."""
    _require_label("agreement")
    from lesionlab.labelling.agreement import agreement_report
    from lesionlab.labelling.store import LabelStore

    _existing_store(store)
    with LabelStore(store) as opened:
        state = opened.state()
    if not state.readers:
        raise DataError(f"{store} holds no answer of a reader yet")
    if data is None:
        report = agreement_report(state)
    else:
        lesions = _lesions(data, model, metadata, columns)
        truth = {lesion: images[0].diagnosis for lesion, images in lesions.images.items()}
        report = agreement_report(state, truth, lesions.diagnoses(), lesions.model)
    if as_json:
        show_json(report)
        return
    show_agreement(report)
    show(RESEARCH_ONLY)


def _require_label(command: str) -> None:
    require_extra(f"lesionlab label {command}", "label", "sqlalchemy", "alembic")


def _existing_store(store: str) -> None:
    if "://" not in store and not Path(store).is_file():
        raise UsageError(f"--store {store}: there is no such file; `lesionlab label serve` or `import` creates it")


def _lesions(folder: Path, model: Path | None, metadata: list[Path] | None, columns: str | None) -> "LesionSet":
    from lesionlab.bundle import Bundle
    from lesionlab.labelling.images import read_images
    from lesionlab.labelling.lesions import LesionSet

    manifest, bundle = read_images(folder, column_mapping(columns), metadata), Bundle.load(model)
    with progress_bar("computing features") as progress:
        return LesionSet.of(manifest, bundle, progress)


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


add_commands(app, serve, simulate, export, agreement)
app.command("import")(with_verbosity(import_labels))
