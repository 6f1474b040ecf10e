"""`lesionlab convert`."""

from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import log_to_console, out, progress_bar, require_extra
from lesionlab.cli.dataset import Columns, Metadata, column_mapping
from lesionlab.errors import LesionlabError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lesionlab.export.acceptance import AcceptanceReport


class To(StrEnum):
    """The formats; `lesionlab.export.formats` knows how each is made."""

    ONNX_FP16 = "onnx-fp16"
    ONNX_INT8 = "onnx-int8"
    OPENVINO = "openvino"
    LITERT = "litert"
    COREML = "coreml"


def convert(
    to: Annotated[list[To], typer.Option("--to", help="The format; repeatable.")],
    folder: Annotated[Path, typer.Option("--out", help="Where to write: a folder for each format is made in it.")],
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="A bundle. Default: the model that ships with the package."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of the dataset that it was trained on, to judge by its validation part."),
    ] = None,
    metadata: Metadata = None,
    columns: Columns = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads to compute with. Default: one per core.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparisons as JSON.")] = False,
) -> None:
    """Convert a bundle for other runtimes, and keep what is as right and as quick as it has to be.

    Each model is compared with the bundle, from image files to probabilities. It is left in place if it loses no more
    than 0.005 of balanced accuracy on the validation part and is not slower than its format may be; otherwise the
    command fails. Without --data, outputs are compared on synthetic images. INT8 needs --data for calibration.
    """
    require_extra("lesionlab convert", "train", "torch", "timm", "onnx", "sklearn")
    log_to_console()
    from lesionlab.bundle import Bundle
    from lesionlab.data import read_dataset
    from lesionlab.export.convert import acceptance_data, convert_bundle, synthetic_acceptance_data
    from lesionlab.export.formats import FORMATS

    bundle, forms = Bundle.load(model), [FORMATS[name] for name in dict.fromkeys(to)]
    if data is None and (learning := [form.name for form in forms if form.needs_calibration]):
        raise UsageError(f"--to {learning[0]} needs --data for calibration on training images")
    dataset = read_dataset(data, columns=column_mapping(columns), metadata=metadata) if data else None
    context = nullcontext(acceptance_data(bundle.info, dataset)) if dataset else synthetic_acceptance_data()
    with context as images, progress_bar("comparing outputs") as progress:
        found = convert_bundle(bundle, forms, folder, images, threads=threads, progress=progress)
    if as_json:
        typer.echo(_json(found))
    else:
        _show(found)
    if failed := [one for one in found if not one.passed]:
        reasons = "; ".join(f"{one.format}: {', '.join(one.failures)}" for one in failed)
        raise LesionlabError(f"not shipped: {reasons}")


def _json(found: "Sequence[AcceptanceReport]") -> str:
    import json

    return json.dumps([one.model_dump(mode="json") for one in found], indent=2)


def _show(found: "Sequence[AcceptanceReport]") -> None:
    table = Table(box=None, header_style="bold", title_justify="left")
    table.title = f"{found[0].bundle}, {found[0].images} images ({found[0].evaluated_on})"
    for heading in ("format", "", "balanced accuracy", "loss (95%)", "probabilities", "same answer", "MB", "latency"):
        table.add_column(heading, justify="left" if heading in ("format", "") else "right")
    for one in found:
        known = one.loss is not None and one.loss.value is not None
        table.add_row(
            one.title,
            "kept" if one.passed else "not shipped",
            f"{one.balanced_accuracy:.3f}" if known else "not measured",
            f"{one.loss.value:+.4f} ({one.loss.low:+.4f} to {one.loss.high:+.4f})" if known and one.loss else "",
            f"within {one.largest_difference:.1e}",
            f"{one.agreement:.1%}",
            f"{one.megabytes:.1f}",
            f"{one.latency.value:.2f}x" if one.latency is not None else "not run here",
        )
    out.print(table)
    out.print(RESEARCH_ONLY)
