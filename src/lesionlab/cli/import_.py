"""`lesionlab import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.calibrate import show_calibration
from lesionlab.cli.console import log_to_console, note, progress_bar, require_extra, show, show_json
from lesionlab.cli.options import (
    Columns,
    Datasets,
    Decisions,
    Force,
    Json,
    Metadata,
    Unknown,
    existing,
    open_datasets,
)
from lesionlab.errors import UsageError
from lesionlab.files import check_output

if TYPE_CHECKING:
    from lesionlab.export.importing import ForeignNetwork, Imported
    from lesionlab.export.importing.network import Channels

_FIGURES = ("accuracy", "balanced_accuracy", "macro_auc", "malignant_auc", "melanoma_auc")
_PREPROCESSING = (
    "The preprocessing is lesionlab's: the whole image is resized to a square, without the crop that the network may "
    "have been trained and measured with. Its figures may differ from published ones; those above show by how much."
)


def import_(
    network: Annotated[
        Path,
        typer.Argument(metavar="NETWORK", callback=existing, help="ONNX file; with --architecture a timm checkpoint."),
    ],
    labels: Annotated[
        Path,
        typer.Option(
            callback=existing,
            help="File with the classes in the order of the outputs: one per line, or a JSON list or object.",
            show_default=False,
        ),
    ],
    data: Datasets,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder or .zip file.", show_default=False)],
    architecture: Annotated[
        str | None, typer.Option(help="timm's name of the checkpoint's architecture.", show_default=False)
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=32, max=1024, help="Side of the input, if the file does not state it.", show_default=False),
    ] = None,
    layout: Annotated[
        Literal["nchw", "nhwc"] | None,
        typer.Option(help="Layout of the input, if the file does not state it.", show_default=False),
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option(
            "--range", metavar="BLACK:WHITE", help="Pixel values before mean and std: 0:1 (default), 0:255 or -1:1."
        ),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="Mean to subtract. Default: timm's; for ONNX ImageNet's with 0:1, else 0.",
            show_default=False,
        ),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B", help="Standard deviation to divide by. Default: as of --mean.", show_default=False
        ),
    ] = None,
    outputs: Annotated[
        Literal["logits", "probabilities"] | None,
        typer.Option(help="Kind of the outputs. Default: as they look.", show_default=False),
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="NAME", help="Output of a graph with several.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model. Default: that of the file.", show_default=False)
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "unspecified",
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    decisions: Decisions = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Import a network that was trained elsewhere, an ONNX classifier or a timm checkpoint, as a calibrated bundle.

    --data are labelled images that it was not trained on: calibration, thresholds and limits are fitted to them as an
    export fits them to the validation images. Nothing is written unless the bundle gives the outputs of the network.
    """
    require_extra("lesionlab import", "train", "torch", "timm", "onnx", "onnxscript", "scipy", "sklearn")
    from lesionlab.cli.info import describe_bundle
    from lesionlab.export.importing import InputSettings, import_network, read_checkpoint, read_labels, read_onnx

    if architecture and (layout or output):
        raise UsageError("--layout and --output are of ONNX files; leave them out with --architecture")
    check_output(out, [network, labels, *data], force=force)
    log_to_console()
    settings = InputSettings(size, layout, _range(value_range), _channels("--mean", mean), _channels("--std", std))
    found = (
        read_checkpoint(network, architecture, settings, len(read_labels(labels)))
        if architecture
        else read_onnx(network, settings, output)
    )
    dataset = open_datasets(data, columns, metadata, unknown, decisions)
    with progress_bar("predicting calibration images") as progress:
        imported = import_network(
            found, labels, dataset, out, outputs=outputs, name=name, licence=licence, progress=progress
        )
    note(_input_in_words(found))
    if as_json:
        show_json(
            {
                **describe_bundle(imported.bundle),
                "before": imported.before.model_dump(mode="json"),
                "after": imported.after.model_dump(mode="json"),
                "figures": dict(zip(("before", "after"), _figures(imported), strict=True)),
                "difference": imported.difference,
            }
        )
    else:
        _show(imported)


def _show(imported: "Imported") -> None:
    from lesionlab.data import left_out_in_words
    from lesionlab.taxonomy import TASKS

    show_calibration(imported, "calibration images")
    info = imported.bundle.info
    images = info.training_data.images["calibration"]
    for when, values in zip(("before", "after"), _figures(imported), strict=True):
        found = [f"{name.replace('_', ' ')} {value:.3f}" for name, value in values.items() if value is not None]
        show(f"On the {images:,} calibration images, {when} calibration: {', '.join(found)}.")
    show(_PREPROCESSING)
    if sentence := left_out_in_words(imported.left_out, TASKS[info.task]):
        show(f"{sentence}; not used.", style="yellow")
    if not imported.bundle.explainable:
        show("No class activation maps: they need a linear layer on the spatial mean of the last feature map.")
    show(f"The outputs of the original network and of the bundle differ by at most {imported.difference:.1g}.")
    show(RESEARCH_ONLY)


def _figures(imported: "Imported") -> list[dict[str, float | None]]:
    return [{name: found[name].value for name in _FIGURES if name in found} for found in imported.figures]


def _input_in_words(network: "ForeignNetwork") -> str:
    size, layout = network.size, network.layout.upper()
    if network.mean is None or network.std is None:
        return f"input: {size}x{size}, {layout}, bytes"
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (network.mean, network.std))
    return f"input: {size}x{size}, {layout}, (pixel / 255 - mean) / std with mean {mean}, std {std}"


def _range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        black, white = map(float, text.split(":"))
    except ValueError as error:
        raise UsageError(f"--range {text}: give the values of a black and a white pixel, such as 0:1") from error
    return black, white


def _channels(option: str, text: str | None) -> "Channels | None":
    if text is None:
        return None
    try:
        values = [float(value) for value in text.split(",")]
        red, green, blue = values if len(values) == 3 else values * 3
    except ValueError as error:
        raise UsageError(f"{option} {text}: give one number, or three such as 0.485,0.456,0.406") from error
    return red, green, blue
