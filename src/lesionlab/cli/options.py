"""Options that several commands share.

An existing model, a bundle, its URL or a run folder, is always named by `--model/-m`. Positional arguments are the
objects that a command works on: images (`predict`, `explain`, `drift`), datasets (`data`), recipes (`train`), evaluated
runs (`compare`) and finished runs (`export`). Every command that writes has `--out/-o`; one that can replace a result
has `--force`.
"""

import functools
import inspect
import logging
import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lesionlab.cli.console import note, note_left_out, require_extra, set_verbosity
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.data import ColumnMapping, Manifest
    from lesionlab.data.dataset import ImageTypes
    from lesionlab.training.tracking import Tracker


def existing(parameter: typer.CallbackParam, value: Any) -> Any:
    """Check that a path, or each of a list, exists.

    Raises:
        UsageError: It does not exist.
    """
    for path in value if isinstance(value, list | tuple) else [value]:
        if path is not None and not Path(path).exists():
            name = f"{parameter.opts[0]} " if parameter.opts[0].startswith("-") else ""
            raise UsageError(f"{name}{path}: there is no such file or folder")
    return value


def model_location(text: str) -> Path:
    """Return the path of a model: a URL is replaced by a copy of its bundle.

    Raises:
        LesionlabError: See `fetch_bundle`.
    """
    # The completion of the shell parses the options too, and must not download anything.
    if "://" not in text or "_LESIONLAB_COMPLETE" in os.environ:
        return Path(text)
    from lesionlab.bundle import fetch_bundle

    return fetch_bundle(text)


def complete_recipe(incomplete: str) -> list[str]:
    """Return the recipe names that begin with a text, for the completion of the shell."""
    from lesionlab.recipes import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        parser=model_location,
        callback=existing,
        help="Bundle or run folder, or URL of a bundle such as hf://OWNER/REPO. Default: the model in the package, or "
        "the one that LESIONLAB_MODEL names.",
        show_default=False,
    ),
]
IMAGES_HELP = (
    "Images, folders, zip archives (archive.zip::member for one image), URLs, or quoted patterns such as 'a/**/*.jpg'."
)
Images = Annotated[list[str], typer.Argument(metavar="IMAGES", help=IMAGES_HELP, show_default=False)]
RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        autocompletion=complete_recipe,
        help="Name of a recipe (see `lesionlab recipes`) or a TOML file.",
        show_default=False,
    ),
]
Dataset = Annotated[
    Path,
    typer.Option(
        "--data",
        callback=existing,
        help="Folder of the dataset, in any layout that `lesionlab data check` reads.",
        show_default=False,
    ),
]
Datasets = Annotated[
    list[Path],
    typer.Option(
        "--data",
        callback=existing,
        help="Folder of the dataset, in any layout that `lesionlab data check` reads. Repeatable: datasets are joined, "
        "and each is split as if it were alone. A lesion of several belongs where the first one has it.",
        show_default=False,
    ),
]
MovedDataset = Annotated[
    Path | None,
    typer.Option("--data", callback=existing, help="Folder of the run's dataset, if it was moved.", show_default=False),
]
Metadata = Annotated[
    list[Path] | None,
    typer.Option(
        callback=existing,
        help="Metadata table, for a folder whose layout does not imply one. Repeatable: further tables are joined by "
        "image or lesion.",
        show_default=False,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns of the metadata table, as image_id=image,diagnosis=label,lesion_id=lesion.", show_default=False
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change a setting of the recipe: --set training.epochs=3. Repeatable.", show_default=False
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TRACKER",
        help="Send settings and metrics to mlflow, tensorboard or wandb, each with =URL or =FOLDER: "
        "mlflow=http://host:5000, tensorboard=logs. Repeatable; default: none.",
        show_default=False,
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        help="Run them on a Ray cluster: its address; auto: the one on this machine; local: a new one.",
        metavar="ADDRESS",
        show_default=False,
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="grad-cam, contrast, grad-cam++, integrated-gradients, occlusion, lime or shap. Repeatable; default: all.",
        show_default=False,
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Inference threads. Default: one per core.", show_default=False)
]
RiskOption = Annotated[
    str | None,
    typer.Option(
        "--risk",
        help="Rule of the risk level: sensitivity=0.95 (default); sensitivity=0.95,confidence=0.95: guaranteed with "
        "this confidence; specificity=0.9; cost=20: a missed malignancy costs as much as 20 false positives; "
        "diagnosis: the level of the most probable diagnosis.",
        metavar="RULE",
        show_default=False,
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        help="Probability from which a decision is positive, such as 0.1, in place of --risk.",
        metavar="P",
        show_default=False,
    ),
]
Decisions = Annotated[
    list[Path] | None,
    typer.Option(
        "--decisions",
        callback=existing,
        help="Decisions on duplicates or labels (decisions.csv): lesions are merged, copies left out, and labels "
        "changed. Repeatable.",
        show_default=False,
    ),
]
PredictionDevice = Annotated[
    Literal["cpu", "cuda", "tensorrt", "openvino", "directml", "coreml"],
    typer.Option("--device", help="Device that runs the model. All but cpu need another package of ONNX Runtime."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing result. Inputs are never replaced.")]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)]
ResumableFolder = Annotated[
    Path,
    typer.Option("--out", "-o", help="Output folder. An interrupted command is resumed in it.", show_default=False),
]
NewFolder = Annotated[
    Path, typer.Option("--out", "-o", help="Output folder; it must be new or empty.", show_default=False)
]


class Subset(StrEnum):
    """The images to evaluate."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ALL = "all"


Unknown = Annotated[
    Literal["error", "keep"],
    typer.Option(
        "--unknown-diagnoses",
        help="Diagnoses of unknown spelling, whose malignancy is not stated: an error, or kept and counted as unk.",
    ),
]


def require_trackers(track: list[str] | None) -> "list[Tracker]":
    """Return the trackers of `--track`.

    Raises:
        UsageError: One is unknown.
        MissingExtraError: Its package is not installed.
    """
    if not track:
        return []
    from lesionlab.training.tracking import parse_tracker

    trackers = [parse_tracker(text) for text in track]
    for tracker in trackers:
        require_extra(f"--track {tracker.kind}", "tracking", tracker.kind)
    return trackers


def images_of(arguments: list[str]) -> list[str]:
    """Return the images that the arguments name, and print the counts of the files that are left out."""
    from lesionlab.images.files import LeftOut
    from lesionlab.prediction.io.inputs import expand_inputs

    left_out = LeftOut()
    locations = expand_inputs(arguments, left_out)
    note_left_out(left_out)
    return locations


def column_mapping(columns: str | None) -> "ColumnMapping | None":
    """Parse `--columns`.

    Raises:
        UsageError: The text does not have the form that the help shows.
    """
    from lesionlab.data import ColumnMapping

    return None if columns is None else ColumnMapping.parse(columns)


def open_dataset(
    folder: Path,
    columns: str | None = None,
    metadata: Path | Sequence[Path] | None = None,
    unknown: Literal["error", "keep"] = "error",
    image_type: "ImageTypes" = "dermoscopic",
) -> "Manifest":
    """Read a dataset, and print the counts of the files that are left out, if there are others than masks and tables.

    Raises:
        UsageError: `--columns` does not have the form that its help shows.
        DataError: See `read_dataset`.
    """
    from lesionlab.data import scan_dataset
    from lesionlab.images.files import HIDDEN, MASK, OTHER

    scan = scan_dataset(
        folder, columns=column_mapping(columns), metadata=metadata, unknown=unknown, image_type=image_type
    )
    manifest = scan.manifest()
    if (+scan.left_out.counts).keys() - {HIDDEN, MASK, OTHER}:
        note_left_out(scan.left_out)
    return manifest


def open_datasets(
    folders: Sequence[Path],
    columns: str | None,
    tables: Sequence[Path] | None,
    unknown: Literal["error", "keep"],
    decisions: list[Path] | None = None,
    image_type: "ImageTypes" = "dermoscopic",
) -> "Manifest":
    """Read datasets as one, and apply decisions; with several, a table belongs to the folder that contains it.

    Raises:
        UsageError: A table is in none of several folders, or `--columns` is not as in its help.
        DataError: See `read_dataset`.
    """
    from lesionlab.data import join_datasets

    several = len(folders) > 1
    of_folder = {
        f: [t for t in tables or () if not several or t.resolve().is_relative_to(f.resolve())] for f in folders
    }
    lost = set(tables or ()).difference(*of_folder.values())
    if lost:
        raise UsageError(
            f"--metadata {min(lost)} is in none of the {len(folders)} folders of --data; move it into its own"
        )
    manifests = [open_dataset(folder, columns, own, unknown, image_type) for folder, own in of_folder.items()]
    manifest = join_datasets(manifests)
    if repeated := sum(map(len, manifests)) - len(manifest):
        note(f"images that occur in several datasets, used once: {repeated:,}")
    return with_decisions(manifest, decisions)


def with_decisions(manifest: "Manifest", decisions: list[Path] | None) -> "Manifest":
    """Apply the files of `--decisions`, and print their effects."""
    from lesionlab.data.decisions import apply_decisions

    if not decisions:
        return manifest
    decided, applied = apply_decisions(manifest, decisions)
    note(str(applied))
    return decided


_Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Print debug messages and the traceback of an error.", show_default=False),
]
_Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print no progress and no notes, only warnings and errors.", show_default=False),
]


def add_commands(app: typer.Typer, *functions: Callable[..., None]) -> None:
    """Add functions to an application as commands, each with the options `--verbose` and `--quiet`."""
    for function in functions:
        # `import` is a keyword of Python.
        name = function.__name__.rstrip("_").replace("_", "-")
        app.command(name)(with_verbosity(function))


def with_verbosity(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options `--verbose` and `--quiet`."""

    @functools.wraps(function)
    def command(*args: Any, verbose: bool, quiet: bool, **kwargs: Any) -> None:
        if verbose or quiet:
            set_verbosity(logging.DEBUG if verbose else logging.WARNING)
        function(*args, **kwargs)

    added = {"verbose": _Verbose, "quiet": _Quiet}
    signature = inspect.signature(function, eval_str=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    options = (inspect.Parameter(name, kind, default=False, annotation=hint) for name, hint in added.items())
    parameters = [*signature.parameters.values(), *options]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined] # read by typer
    command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return command
